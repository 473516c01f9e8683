import { expect, test } from 'vitest'
import type { GroupCoordinator } from '../../../src/driver/kafkajs/consumer-coordinator.ts'
import type { Rebalancing } from '../../../src/driver/kafkajs/consumer-rebalancing.ts'
import { createRebalancing } from '../../../src/driver/kafkajs/consumer-rebalancing.ts'
import { HoldfastError } from '../../../src/errors/index.ts'
import { silentLogger } from '../../../src/logger/index.ts'
import type { VirtualRuntime } from '../../../src/testing/index.ts'
import { virtualRuntime } from '../../../src/testing/index.ts'
import { deferred } from '../../../src/testing/deferred.ts'

interface Stage {
  readonly rebalancing: Rebalancing
  readonly runtime: VirtualRuntime
  readonly trace: string[]
  readonly join: (generation?: number, memberId?: string) => void
}

/** One member of a group; `trace` holds what the core heard and when requests were let go. */
function setup(
  given: {
    onAssigned?: () => Promise<void>
    onRevoked?: () => Promise<void>
    committed?: GroupCoordinator['committed']
  } = {},
): Stage {
  const trace: string[] = []
  const runtime = virtualRuntime()
  let epochs = 0
  const rebalancing = createRebalancing({
    runtime,
    logger: silentLogger,
    groupId: 'inventory',
    drainBudgetMs: 5_000,
    callbacks: {
      async onAssigned([first]) {
        trace.push(`assigned ${first!.epoch}`)
        await given.onAssigned?.()
        return []
      },
      async onRevoked(_, epoch) {
        trace.push(`revoking ${epoch}`)
        await given.onRevoked?.()
        trace.push(`revoked ${epoch}`)
      },
      onLost: (_, epoch) => void trace.push(`lost ${epoch}`),
    },
    coordinator: { committed: given.committed ?? (async () => new Map()) } as GroupCoordinator,
    nextEpoch: () => ++epochs,
    delivery: { prepare: () => {}, begin: ({ number }) => trace.push(`reads ${number}`), halt: () => {} },
    onFailure: (error) => trace.push(`failed: ${(error as Error).message}`),
  })
  return {
    rebalancing,
    runtime,
    trace,
    join(generation = 1, memberId = 'm') {
      rebalancing.onSync(memberId, generation)
      rebalancing.joined({ orders: [0, 1] })
    },
  }
}

const turns = async (): Promise<void> => {
  for (let i = 0; i < 30; i++) await Promise.resolve()
}

test('an epoch carries the identity its assignment was given under, so that a late commit shows whose it is', async () => {
  const { rebalancing, join } = setup()
  join(12, 'member-1')
  expect(rebalancing.current()).toMatchObject({ number: 1, memberId: 'member-1', generation: 12, phase: 'assigning' })
})

test('lets a first join go at once: there is nothing to drain', () => {
  const { rebalancing } = setup()
  expect(rebalancing.beforeJoin('')).toBeUndefined()
  expect(rebalancing.beforeLeave()).toBeUndefined()
})

test('holds a join until the core has drained; commits count until then and no longer', async () => {
  const drain = deferred()
  const { rebalancing, trace, join } = setup({ onRevoked: () => drain.promise })
  join()
  await turns()
  const epoch = rebalancing.current()!
  const held = rebalancing.beforeJoin('m')!.then(() => trace.push('released'))
  await turns()
  expect(trace).toEqual(['assigned 1', 'reads 1', 'revoking 1'])
  expect(rebalancing.current()).toBe(epoch)
  drain.resolve()
  await held
  expect(trace.slice(3)).toEqual(['revoked 1', 'released'])
  expect(rebalancing.current()).toBeNull()
})

test('drains once for the join requests of all fetchers, and lets them go together', async () => {
  const { rebalancing, trace, join } = setup()
  join()
  await turns()
  const holds = [1, 2, 3].map(async () => rebalancing.beforeJoin('m'))
  await Promise.all(holds)
  expect(trace).toEqual(['assigned 1', 'reads 1', 'revoking 1', 'revoked 1'])
})

test('lets a join go when the budget is over, and ends the epoch first: the group would throw the member out', async () => {
  const drain = deferred()
  const { rebalancing, runtime, trace, join } = setup({ onRevoked: () => drain.promise })
  join()
  await turns()
  const held = rebalancing.beforeJoin('m')!.then(() => trace.push(`released, epoch ${rebalancing.current()?.number}`))
  await turns()
  await runtime.advance(4_999)
  expect(trace.at(-1)).toBe('revoking 1')
  await runtime.advance(1)
  await held
  expect(trace.at(-1)).toBe('released, epoch undefined')
})

test('does not give the core its next assignment while it still drains the last, so that no key runs twice at a time', async () => {
  const drain = deferred()
  const { rebalancing, runtime, trace, join } = setup({ onRevoked: () => drain.promise })
  join()
  await turns()
  const held = rebalancing.beforeJoin('m')!
  await turns()
  await runtime.advance(5_000)
  await held
  join(2)
  await turns()
  expect(trace).toEqual(['assigned 1', 'reads 1', 'revoking 1'])
  drain.resolve()
  await turns()
  expect(trace.slice(3)).toEqual(['revoked 1', 'assigned 2', 'reads 2'])
})

test('waits with the drain for an assignment under way, so that the core hears of both in order', async () => {
  const assigning = deferred()
  const { rebalancing, trace, join } = setup({ onAssigned: () => assigning.promise })
  join()
  await turns()
  const held = rebalancing.beforeJoin('m')!
  await turns()
  expect(trace).toEqual(['assigned 1'])
  assigning.resolve()
  await held
  expect(trace).toEqual(['assigned 1', 'revoking 1', 'revoked 1']) // and it never read
})

test('a join without a member id means that the group has forgotten this one: lost, and no drain', async () => {
  const { rebalancing, trace, join } = setup()
  join()
  await turns()
  expect(rebalancing.beforeJoin('')).toBeUndefined()
  expect(trace).toEqual(['assigned 1', 'reads 1', 'lost 1'])
})

test('a membership that ends during a drain lets the join go at once, since the drain is in vain', async () => {
  const { rebalancing, trace, join } = setup({ onRevoked: () => new Promise(() => {}) })
  join()
  await turns()
  const held = rebalancing.beforeJoin('m')!
  await turns()
  rebalancing.lose(rebalancing.current()!)
  await held
  expect(trace).toEqual(['assigned 1', 'reads 1', 'revoking 1', 'lost 1'])
})

test('an assignment that overtakes another ends it as lost: its identity is no longer good', async () => {
  const { trace, join } = setup()
  join(1)
  await turns()
  join(2)
  await turns()
  expect(trace).toEqual(['assigned 1', 'reads 1', 'lost 1', 'assigned 2', 'reads 2'])
})

test('asks again for the committed offsets while the group cannot say, and begins nothing before', async () => {
  let failures = 3
  const { runtime, trace, join } = setup({
    committed: async () => {
      if (failures-- > 0) throw new HoldfastError('HOLDFAST_UNAVAILABLE', 'not now')
      return new Map()
    },
  })
  join()
  await turns()
  expect(trace).toEqual([])
  await runtime.advance(5_000)
  await turns()
  expect(trace).toEqual(['assigned 1', 'reads 1'])
})

test('says nothing about partitions that went before the core heard of them', async () => {
  const { rebalancing, runtime, trace, join } = setup({ committed: () => Promise.reject(new Error('not now')) })
  join()
  await turns()
  const held = rebalancing.beforeJoin('m')!
  await runtime.advance(5_000)
  await held
  expect(trace).toEqual([])
})

test('a right that is missing ends the consumer: no waiting brings it', async () => {
  const { trace, join } = setup({
    committed: () => Promise.reject(new HoldfastError('HOLDFAST_NOT_AUTHORIZED', 'no right')),
  })
  join()
  await turns()
  expect(trace).toEqual(['failed: no right'])
})

test('an assignment that outlasts the drain budget is ended for the core too: it must not commit for partitions that are gone', async () => {
  const assigning = deferred()
  let assignments = 0
  const { rebalancing, runtime, trace, join } = setup({
    onAssigned: async () => (assignments++ === 0 ? assigning.promise : undefined),
  })
  join()
  await turns()
  const held = rebalancing.beforeJoin('m')!
  await runtime.advance(5_000)
  await held
  expect(trace).toEqual(['assigned 1', 'lost 1'])
  join(2)
  assigning.resolve()
  await turns()
  expect(trace).toEqual(['assigned 1', 'lost 1', 'assigned 2', 'reads 2'])
})
