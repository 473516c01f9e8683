import { expect, test } from 'vitest'
import { createConsumer } from '../../../src/consumer/index.ts'
import type { Handler, Ordering } from '../../../src/consumer/index.ts'
import type { DriverConsumer } from '../../../src/driver/index.ts'
import type {
  GroupFault,
  Scenario,
  SeedResult,
  SimulatedGroup,
  SimulatedProcess,
} from '../../../src/testing/simulation/index.ts'
import { simulate, simulatedGroup, simulateSeed } from '../../../src/testing/simulation/index.ts'
import { defineTopic } from '../../../src/topic/index.ts'
import { z } from 'zod'

const orders = defineTopic({ name: 'orders', schema: z.object({ id: z.number() }), key: ({ id }) => String(id % 3) })

interface World {
  readonly faults?: readonly GroupFault[]
  readonly ordering?: Ordering
  readonly handler?: (process: SimulatedProcess) => Handler<{ readonly id: number }>
  readonly driver?: (process: SimulatedProcess) => SimulatedProcess['driver']
  readonly also?: (group: SimulatedGroup) => void
}

/** Twenty orders of three keys, and two processes that handle them. */
function handling({ faults, ordering, handler, driver = ({ driver: own }) => own, also }: World = {}): Scenario {
  return (simulation) => {
    const { cluster, int } = simulation
    for (const topic of ['orders', 'orders.dlq']) cluster.createTopic({ topic, partitions: 2 })
    let sent = 0
    simulation.during(20, () => {
      const id = sent++
      const value = Buffer.from(JSON.stringify({ id }))
      const record = { topic: 'orders', partition: id % 2, key: Buffer.from(`k${id % 3}`), value, headers: [] }
      cluster.append([{ ...record, timestamp: 0n }])
    })
    const group = simulatedGroup(simulation, {
      groupId: 'inventory',
      topics: [orders],
      ...(faults !== undefined && { faults }),
      createConsumer: (process) =>
        createConsumer({
          driver: driver(process),
          groupId: 'inventory',
          runtime: process.runtime,
          sessionTimeoutMs: 1_000,
          heartbeatIntervalMs: 200,
          drainTimeoutMs: 300,
          rebalanceTimeoutMs: 7_000,
        }).on(orders, handler?.(process) ?? (() => process.pause(int(50))), {
          retry: { maxAttempts: 2, initialDelayMs: 10 },
          ...(ordering !== undefined && { ordering }),
        }),
    })
    also?.(group)
    return group
  }
}

/** A driver with another consumer. */
const withConsumer = (
  change: (consumer: DriverConsumer) => Partial<DriverConsumer>,
): Required<Pick<World, 'driver'>> => ({
  driver: ({ driver }) => ({
    ...driver,
    createConsumer(options) {
      const consumer = driver.createConsumer(options)
      return { ...consumer, ...change(consumer) }
    },
  }),
})

async function kindsIn(scenario: Scenario, seeds: number): Promise<Set<string>> {
  const results: SeedResult[] = []
  for (let seed = 0; seed < seeds; seed++) results.push(await simulateSeed(scenario, seed))
  return new Set(results.flatMap(({ violations }) => violations.map(({ kind }) => kind)))
}

test('a group that keeps its promises passes under every fault, and each schedule is the same every time', async () => {
  expect((await simulate(handling(), { seeds: 10, twice: true })).seeds).toBe(10)
})

test('every kind of fault comes, and only those that were asked for', async () => {
  const faultsOf = async (faults?: readonly GroupFault[]): Promise<Set<string>> => {
    const logs: string[] = []
    for (let seed = 0; seed < 8; seed++)
      logs.push(...(await simulateSeed(handling(faults && { faults }), seed, {}, true)).log)
    return new Set(logs.flatMap((line) => /fault: (the next commit|\w+)/.exec(line)?.[1] ?? []))
  }
  expect([...(await faultsOf())].toSorted()).toEqual(['all', 'close', 'cut', 'kill', 'suspend', 'the next commit'])
  expect([...(await faultsOf(['kill']))]).toEqual(['kill'])
  expect([...(await faultsOf([]))]).toEqual([])
})

test('records that fail are parked, which is an outcome as good as any', async () => {
  const outcomes = new Set<string | undefined>()
  const scenario = handling({
    handler:
      () =>
      ({ value }) => {
        if (value.id % 5 === 0) throw new Error('fails')
      },
    also: (group) => {
      const check = group.check.bind(group)
      Object.assign(group, {
        check() {
          check()
          for (const offset of [0n, 1n]) outcomes.add(group.outcomeOf({ topic: 'orders', partition: 0, offset }))
        },
      })
    },
  })
  await simulate(scenario, { seeds: 5 })
  expect([...outcomes].toSorted()).toEqual(['handled', 'parked'])
})

test('a commit past a record that is not done is found, and so is the record that it loses', async () => {
  const hasty = handling({
    ...withConsumer(({ commit }) => ({
      commit: (offsets) => commit(offsets.map((each) => ({ ...each, offset: each.offset + 3n, metadata: '' }))),
    })),
  })
  const kinds = await kindsIn(hasty, 10)
  expect([...kinds]).toEqual(expect.arrayContaining(['commit-gap', 'lost']))
})

test('messages of a key that are handled in another order are found', async () => {
  const handler: World['handler'] = (process) => () => process.pause(process.runtime.random() * 2_000)
  expect([...(await kindsIn(handling({ handler, ordering: 'none', faults: [] }), 5))]).toEqual(['out-of-order'])
  expect([...(await kindsIn(handling({ handler, ordering: 'key', faults: [] }), 5))]).toEqual([])
})

test('a group that does not work off what there is, is found', async () => {
  const stuck = handling({ ...withConsumer(() => ({ commit: () => new Promise(() => {}) })), faults: [] })
  expect([...(await kindsIn(stuck, 1))]).toContain('not-live')
})

test('a consumer that cannot start is found with its reason, since no restart helps it', async () => {
  const scenario: Scenario = (simulation) => {
    simulation.cluster.createTopic({ topic: 'orders' })
    return simulatedGroup(simulation, {
      groupId: 'inventory',
      topics: ['orders'],
      faults: [],
      createConsumer: ({ driver, runtime }) =>
        createConsumer({ driver, groupId: 'inventory', runtime }).on(orders, () => {}), // its dead letter topic is not there
    })
  }
  const { violations } = await simulateSeed(scenario, 1)
  expect(violations[0]).toMatchObject({ kind: 'start-failed', detail: expect.stringContaining('orders.dlq') })
})

test('options that do not fit are refused, all at once', async () => {
  const options = { groupId: '', topics: [], createConsumer: null, members: 0, faults: ['earthquake'] }
  const { violations } = await simulateSeed((simulation) => simulatedGroup(simulation, options as never), 1)
  expect(violations).toMatchObject([
    { kind: 'thrown', detail: expect.stringContaining('simulatedGroup: options do not fit') },
  ])
  for (const name of Object.keys(options)) expect(violations[0]?.detail).toContain(`  - ${name}: `)
})
