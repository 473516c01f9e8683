import type { BatchGathering, Participant } from './batch-gathering.ts'
import type { BatchMessage } from './batch.ts'
import type { Delivery } from './delivery.ts'
import { endOfLateCall, untilTimeout } from './handler-call.ts'
import { HandlerContext } from './handler-context.ts'
import { calledAnew } from './inbox-call.ts'
import type { Message } from './message.ts'
import { goOn, waitInLane } from './partition-pause.ts'
import type { Pipeline } from './pipeline.ts'

/**
 * Has the message handled in a call of the batch handler. A call of several messages that throws, or does not end in time, says nothing of
 * any one of them: each is then called by itself, in the order of their offsets, and only that is an attempt, with all that follows from one.
 *
 * @throws as `callHandler` does.
 */
export async function callInBatch(
  delivery: Delivery,
  batch: BatchGathering,
  message: Message<unknown>,
  attempt: number,
  pipeline: Pipeline,
): Promise<unknown> {
  const seated = (resolve: (handled: unknown) => void, reject: (thrown: unknown) => void): void => {
    const enter = (): Participant => {
      if (delivery.wait?.gates === false) goOn(delivery, pipeline) // the wait between two attempts is over
      delivery.since = pipeline.runtime.clock.monotonic()
      const context = new HandlerContext(delivery, attempt, pipeline)
      let settle!: Pick<Participant, 'resolve' | 'reject'>
      const called = new Promise<unknown>((succeed, fail) => (settle = { resolve: succeed, reject: fail }))
      Promise.resolve(untilTimeout(called, context, delivery, pipeline)).then(resolve, (thrown: unknown) => {
        if (delivery.late !== null) batch.overran(delivery)
        reject(thrown)
      })
      const again = (): void => calledAnew(delivery, context, pipeline.runtime)
      return { ...settle, message: batchMessage(message, context), calledAnew: again }
    }
    batch.join(delivery, { enter, refuse: reject })
  }

  for (;;) {
    if (delivery.late !== null) {
      const late = await endOfLateCall(delivery, delivery.late, pipeline)
      if (late.kind === 'resolved') return late.returned // it was handled after all
    }
    try {
      return await new Promise(seated)
    } catch (thrown) {
      if (!batch.failedTogether(delivery)) throw thrown
      delivery.again = true
      waitInLane(delivery, pipeline, { reason: 'its batch has failed; it is tried by itself', unhealthy: false })
    }
  }
}

function batchMessage({ id, source, time, value }: Message<unknown>, context: HandlerContext): BatchMessage<unknown> {
  return { id, source, time, value, context }
}
