import { setImmediate as immediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { createDispatcher } from '../../src/consumer/dispatcher.ts'
import type { Dispatcher } from '../../src/consumer/dispatcher.ts'
import type { Epoch } from '../../src/consumer/epoch.ts'
import { createEpoch } from '../../src/consumer/epoch.ts'
import { createEvents } from '../../src/events/index.ts'
import { createHandlerTimeouts } from '../../src/consumer/handler-timeouts.ts'
import type { PartitionLoop } from '../../src/consumer/partition-loop.ts'
import { createPartitionLoop } from '../../src/consumer/partition-loop.ts'
import type { OpenLane } from '../../src/consumer/still-open.ts'
import { createStillOpen } from '../../src/consumer/still-open.ts'
import type { CheckedSubscription } from '../../src/consumer/subscription.ts'
import { createBatchSubscription, createSubscription } from '../../src/consumer/subscription.ts'
import { silentLogger } from '../../src/logger/index.ts'
import { nothingProcessed } from '../../src/telemetry/index.ts'
import type { VirtualRuntime } from '../../src/testing/index.ts'
import { virtualRuntime } from '../../src/testing/index.ts'
import { orders } from './world.ts'

const place = { topic: 'orders', partition: 0 }

interface Looped {
  readonly loop: PartitionLoop
  readonly epoch: Epoch
  readonly runtime: VirtualRuntime
  /** How often something was offered to the dispatcher. */
  readonly offers: () => number
}

/** The loop of one epoch, that may begin at once. */
function looped({ subscription }: CheckedSubscription, openLanes: readonly OpenLane[] = []): Looped {
  const runtime = virtualRuntime()
  const epoch = createEpoch(place, 1, 0n)
  epoch.begin(0n)
  let offers = 0
  const inner = createDispatcher(64, runtime.clock)
  const dispatcher: Dispatcher = {
    ...inner,
    offer(source) {
      offers++
      inner.offer(source)
    },
  }
  const loop = createPartitionLoop({
    pipeline: {
      groupId: 'inventory',
      epoch,
      subscription,
      dispatcher,
      timeouts: createHandlerTimeouts(runtime.clock, subscription.handlerTimeoutMs),
      parking: null,
      leases: null,
      inbox: null,
      claim: () => Promise.resolve('held'),
      events: createEvents(silentLogger),
      logger: silentLogger,
      runtime,
      failpoint: null,
      isSuspect: () => false,
      confirmMembership: () => Promise.resolve(),
      failConsumer: () => {},
      warnOnce: () => {},
    },
    telemetry: { processing: () => nothingProcessed },
    ready: Promise.resolve(),
    openLanes,
    held: false,
    onOutcome: () => {},
    onMoved: () => {},
    onBuffered: () => {},
    isFull: () => false,
  })
  return { loop, epoch, runtime, offers: () => offers }
}

function take(loop: PartitionLoop, count: number): void {
  const records = Array.from({ length: count }, (_, i) => ({
    ...place,
    offset: BigInt(i),
    key: Buffer.from('k'),
    value: Buffer.from('{"id":"x"}'),
    headers: [],
    timestamp: 0n,
  }))
  loop.take({ ...place, epoch: 1, records, nextOffset: BigInt(count), highWatermark: BigInt(count) })
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

test.each(['single', 'batch'] as const)(
  'an epoch that is over is let go of, though the handler it waited for never ends: each seek would cost memory (%s)',
  async (kind) => {
    const stillOpen = createStillOpen()
    stillOpen.add('orders[0]', new Map([['k', new Promise(() => {})]]))
    const passed = (): WeakRef<Epoch> => {
      const open = stillOpen.of('orders[0]')
      const subscription =
        kind === 'single' ? createSubscription(orders, () => {}) : createBatchSubscription(orders, () => {})
      const { loop, epoch } = looped(subscription, open)
      take(loop, 3)
      expect(epoch.wait()?.reason).toMatch(/earlier assignment is still running/)
      epoch.end(new Error('over'))
      loop.discard()
      return new WeakRef(epoch)
    }
    const before = passed()
    for (let i = 0; i < 5; i++) {
      await immediate()
      collectGarbage()
    }
    expect(before.deref()).toBeUndefined()
    expect(stillOpen.of('orders[0]')).toHaveLength(1)
  },
)

test('a lane is open until all that was left behind in it has ended, and whoever asks later finds nothing open', async () => {
  const stillOpen = createStillOpen()
  const ends: (() => void)[] = []
  const running = (): Promise<void> => new Promise((resolve) => ends.push(resolve))
  stillOpen.add('orders[0]', new Map([['k', running()]]))
  stillOpen.add('orders[0]', new Map([['k', running()]]))
  const [open] = stillOpen.of('orders[0]')
  const heard: string[] = []
  open!.onEnd(() => heard.push('first'))
  open!.onEnd(() => heard.push('called off'))()
  ends[0]!()
  await immediate()
  expect(heard).toEqual([])
  ends[1]!()
  await immediate()
  expect([heard, stillOpen.of('orders[0]')]).toEqual([['first'], []])
  open!.onEnd(() => heard.push('at once'))
  expect(heard).toEqual(['first', 'at once'])
})

test('a batch asks for its turn when it has ended, not with each of its messages: others would have fewer turns', async () => {
  const sizes: number[] = []
  const { loop, runtime, offers } = looped(
    createBatchSubscription(orders, (messages) => void sizes.push(messages.length), { maxBatchSize: 500 }),
  )
  take(loop, 1_000)
  await runtime.runUntil(() => loop.records() === 0)
  expect(sizes).toEqual([500, 500])
  expect(offers()).toBe(2)
})
