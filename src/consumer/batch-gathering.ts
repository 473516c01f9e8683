import type { BatchHandler, BatchMessage } from './batch.ts'
import type { Delivery } from './delivery.ts'
import type { HandlerContext } from './handler-context.ts'
import type { Message } from './message.ts'
import { NothingBegins } from './nothing-begins.ts'
import type { Pipeline } from './pipeline.ts'

/**
 * Gathers messages of one partition into calls of a batch handler. Each record goes its own way through `processRecord`, so that batches
 * have every guarantee that single messages have; where a handler of single messages would be called, it joins here.
 */
export interface BatchGathering {
  /** These begin together: a call waits until each of them has joined, or is known not to come. */
  expect(deliveries: readonly Delivery[]): void
  /** Resolves or rejects with what became of this message in the call that it was in. */
  join(delivery: Delivery, message: Message<unknown>, context: HandlerContext): Promise<void>
  /** It has its outcome without a call, or waits for one of its own: the others need not wait for it. */
  notComing(delivery: Delivery): void
}

/** Makes a {@link BatchGathering} for one epoch. */
export function createBatchGathering(
  handler: BatchHandler<unknown>,
  { dispatcher, subscription, epoch, logger }: Pick<Pipeline, 'dispatcher' | 'subscription' | 'epoch' | 'logger'>,
): BatchGathering {
  const expected = new Set<Delivery>()
  const alone = new WeakSet<Delivery>() // they were in a call that failed as a whole
  let joined: Joined[] = []
  let calling = false

  const callIfComplete = (): void => {
    if (calling || expected.size > 0 || joined.length === 0) return
    const together = joined.filter(({ delivery }) => !alone.has(delivery))
    const members = together.length > 0 ? together : joined.slice(0, 1)
    joined = joined.filter((each) => !members.includes(each))
    calling = true
    void call(members.toSorted((a, b) => a.delivery.arrival - b.delivery.arrival)).finally(() => {
      calling = false
      callIfComplete()
    })
  }

  const call = async (members: readonly Joined[]): Promise<void> => {
    try {
      await dispatcher.enter(subscription.bound, epoch.stopSignal)
    } catch {
      for (const { reject } of members) reject(new NothingBegins())
      return
    }
    const failures = new Map<unknown, unknown>()
    const messages = members.map(({ message, context }): BatchMessage<unknown> => ({ ...message, context }))
    const { topic, partition } = epoch
    try {
      await handler(messages, {
        topic,
        partition,
        signal: members[0]!.context.signal,
        log: logger,
        fail: (message, error) => void failures.set(message, error),
      })
      members.forEach(({ resolve, reject }, i) => {
        const message = messages[i]
        if (failures.has(message)) reject(failures.get(message) as Error)
        else resolve()
      })
    } catch (thrown) {
      for (const { delivery, reject } of members) {
        alone.add(delivery)
        reject(thrown as Error)
      }
    } finally {
      dispatcher.leave(subscription.bound)
    }
  }

  return {
    expect(deliveries) {
      for (const delivery of deliveries) expected.add(delivery)
    },
    join(delivery, message, context) {
      return new Promise((resolve, reject) => {
        expected.delete(delivery)
        joined.push({ delivery, message, context, resolve, reject })
        callIfComplete()
      })
    },
    notComing(delivery) {
      if (expected.delete(delivery)) callIfComplete()
    },
  }
}

interface Joined {
  readonly delivery: Delivery
  readonly message: Message<unknown>
  readonly context: HandlerContext
  resolve(): void
  reject(error: Error): void
}
