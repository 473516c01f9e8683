import { createConsumer } from '../../src/consumer/index.ts'
import type { Consumer, Ordering } from '../../src/consumer/index.ts'
import type { Driver } from '../../src/driver/index.ts'
import type { DedupeStore } from '../../src/idempotency/index.ts'
import { memoryDedupeStore } from '../../src/idempotency/index.ts'
import { HoldfastError } from '../../src/errors/index.ts'
import { decodeFinishedRanges } from '../../src/consumer/finished-ranges.ts'
import { formatPartition, headerText } from '../../src/record/index.ts'
import type { Scenario, SimulatedProcess } from '../../src/testing/simulation/index.ts'
import type { StandardSchema } from '../../src/topic/index.ts'
import { defineTopic } from '../../src/topic/index.ts'

interface Order {
  readonly id: number
}

/** Takes what is there, so that millions of schedules need not pay for a schema. */
const anything: StandardSchema<Order> = {
  '~standard': { version: 1, vendor: 'simulation', validate: (value) => ({ value: value as Order }) },
}
const orders = defineTopic({ name: 'orders', schema: anything, key: ({ id }) => String(id) })

const GROUP = 'inventory'
const ATTEMPTS = 3

interface Placed {
  readonly id: number
  readonly partition: number
  readonly offset: bigint
  readonly key: string
}

interface Effect {
  readonly process: SimulatedProcess
  readonly atMs: number
}

/**
 * A few processes of one group consume two partitions, while they are killed, suspended, cut off and told to leave, and what they depend on fails.
 * Nothing may be lost, committed unhandled, handled out of order or side by side within its key; and when all is healed everything must
 * come to its end.
 */
export const consuming: Scenario = (simulation) => {
  const { cluster, int, chance } = simulation
  const partitions = 1 + int(3)
  const ordering: Ordering = (['key', 'key', 'partition', 'none'] as const)[int(4)]!
  const withStore = chance(0.5)
  const handlerMs = int(60)
  const concurrency = 1 + int(8)
  const calm = chance(0.3) // members come and go in peace: nothing at all may be repeated then
  const some = (most: number): number => (calm ? 0 : int(most + 1))
  const rates = { kill: some(2), suspend: some(2), cut: some(2), leave: int(3), expire: some(1) }
  const failing = chance(0.5) ? 0.2 : 0
  cluster.createTopic({ topic: 'orders', partitions })
  cluster.createTopic({ topic: 'orders.dlq', partitions })

  const placed: Placed[] = []
  const effects = new Map<number, Effect[]>()
  const firsts = new Map<string, bigint[]>() // of each partition and key, the offsets in the order of their first effects
  const poison = new Set<number>()
  const disturbed = new Set<SimulatedProcess>()
  let storeIsDown = false
  let healed = false
  let anySlow = false
  const withSlow = !calm && chance(0.3)
  const commitFailures = some(2)
  const store = withStore ? memoryDedupeStore({ runtime: simulation.runtime, maxEntries: 1_000 }) : null

  const place = (): void => {
    const partition = int(partitions)
    const key = `k${int(4)}`
    const id = placed.length
    if (chance(0.15)) poison.add(id)
    const value = Buffer.from(JSON.stringify({ id }))
    const record = { topic: 'orders', partition, key: Buffer.from(key), value, timestamp: 0n }
    const [position] = cluster.append([{ ...record, headers: [['holdfast-id', Buffer.from(`m-${id}`)]] }])
    placed.push({ id, partition, offset: position!.offset, key })
    if (chance(0.2))
      cluster.skipOffsetsTo({ topic: 'orders', partition, offset: position!.offset + 2n + BigInt(int(3)) })
  }

  const parked = (): Set<number> =>
    new Set(cluster.records('orders.dlq').map(({ value }) => (JSON.parse(Buffer.from(value!).toString()) as Order).id))

  const isOver = ({ id }: Placed, dead: ReadonlySet<number>): boolean => effects.has(id) || dead.has(id)

  /** Every record below an offset must have its outcome before the offset is committed. */
  const watchCommits = (process: SimulatedProcess): Driver => ({
    ...process.driver,
    createConsumer(options) {
      const consumer = process.driver.createConsumer(options)
      return {
        ...consumer,
        commit(offsets) {
          const dead = parked()
          for (const { topic, partition, offset, metadata = '' } of offsets) {
            const ranges = decodeFinishedRanges(offset, metadata)
            const isSaid = (each: Placed): boolean =>
              each.offset < offset || ranges.some(({ first, last }) => each.offset >= first && each.offset <= last)
            simulation.note(`${process.name} commits ${formatPartition({ topic, partition })} ${offset}`)
            for (const each of placed) {
              if (each.partition === partition && isSaid(each) && !isOver(each, dead))
                simulation.violation(
                  'commit-gap',
                  `${process.name} commits ${offset} of ${partition} over ${each.offset}`,
                )
            }
          }
          return consumer.commit(offsets)
        },
      }
    },
  })

  const storeOf = (process: SimulatedProcess): DedupeStore => {
    const ask = async <T>(call: () => T): Promise<T> => {
      await process.pause(int(4))
      if (storeIsDown) throw new HoldfastError('HOLDFAST_STORE_UNAVAILABLE', 'down', { retriable: true })
      const answer = call()
      await process.pause(int(4))
      return answer
    }
    return {
      begin: (id, options) => ask(() => store!.begin(id, options) as never),
      complete: (token, outcome) => ask(() => store!.complete(token, outcome) as never),
      abandon: (token, attempts) => ask(() => store!.abandon(token, attempts) as never),
      renew: (token, leaseMs) => ask(() => store!.renew(token, leaseMs) as never),
    }
  }

  const members = new Map<SimulatedProcess, Consumer>()
  let started = 0
  const start = (): void => {
    const process = simulation.process(`p${started++}`)
    const active = new Set<string>()
    const consumer = createConsumer({
      driver: watchCommits(process),
      groupId: GROUP,
      runtime: process.runtime,
      concurrency,
      sessionTimeoutMs: 1_000,
      heartbeatIntervalMs: 200,
      drainTimeoutMs: 300,
      rebalanceTimeoutMs: 7_000,
      commitIntervalMs: int(100),
    })
    consumer.on(
      orders,
      async ({ value: { id } }, { offset, partition, key }) => {
        const name = ordering === 'partition' ? `${partition}` : `${partition}/${Buffer.from(key!).toString()}`
        simulation.note(`${process.name} begins ${id} (${name} ${offset})`)
        if (ordering !== 'none') {
          if (active.has(name)) simulation.violation('overlap', `${process.name} handles two of ${name} at once`)
          active.add(name)
        }
        try {
          const slow = withSlow && !healed && chance(0.05) // it outlasts its time
          anySlow ||= slow
          await process.pause(slow ? 2_500 : int(handlerMs + 1))
          if (poison.has(id) || (!healed && chance(failing))) throw new Error('fails')
          happen(process, id, offset, `${partition}/${Buffer.from(key!).toString()}`)
          if (chance(0.3)) await process.pause(int(20))
        } finally {
          active.delete(name)
        }
      },
      {
        ordering,
        retry: { maxAttempts: ATTEMPTS, initialDelayMs: 10, maxDelayMs: 50 },
        ...(store !== null && { dedupe: { store: storeOf(process), leaseMs: 2_000 } }),
        handlerTimeoutMs: 1_500,
      },
    )
    members.set(process, consumer)
    simulation.note(`${process.name} starts`)
    consumer.start().catch((error: unknown) => {
      simulation.note(`${process.name} does not start: ${String(error)}`)
      stop(process)
    })
  }

  const happen = (process: SimulatedProcess, id: number, offset: bigint, key: string): void => {
    const before = effects.get(id)
    simulation.note(`${process.name} effect of ${id}`)
    if (before === undefined) {
      effects.set(id, [{ process, atMs: simulation.now }])
      firsts.set(key, [...(firsts.get(key) ?? []), offset])
    } else {
      before.push({ process, atMs: simulation.now })
    }
  }

  const stop = (process: SimulatedProcess): void => {
    process.kill()
    cluster.unreachable(true, process.name)
    members.delete(process)
    if (healed && members.size === 0) start()
  }
  const anyOf = (): SimulatedProcess | undefined => [...members.keys()][int(Math.max(1, members.size))]
  const disturb = (what: string, act: (process: SimulatedProcess) => void, inPeace = false): void => {
    const process = anyOf()
    if (process === undefined) return
    simulation.note(`nemesis: ${what} ${process.name}`)
    if (!inPeace) disturbed.add(process)
    act(process)
  }
  const within = (count: number, act: () => void): void => {
    for (let i = 0; i < count; i++) simulation.at(int(5_000), act)
  }
  const forAWhile = (begin: () => void, end: () => void): void => {
    begin()
    simulation.at(simulation.now + int(2_500), () => {
      if (!healed) end()
    })
  }

  for (let i = int(3); i >= 0; i--) simulation.at(int(300), start)
  within(12 + int(20), place)
  within(int(3), start)
  within(rates.kill, () => disturb('kills', stop))
  within(rates.suspend, () =>
    disturb('suspends', (process) =>
      forAWhile(
        () => process.suspend(),
        () => process.resume(),
      ),
    ),
  )
  within(rates.cut, () =>
    disturb('cuts off', ({ name }) =>
      forAWhile(
        () => cluster.unreachable(true, name),
        () => cluster.unreachable(false, name),
      ),
    ),
  )
  const close = (process: SimulatedProcess): void => {
    const consumer = members.get(process)!
    members.delete(process)
    consumer.close().then(
      () => stop(process),
      () => stop(process),
    )
  }
  within(rates.leave, () => disturb('ends', close, true))
  within(rates.expire, () => {
    for (const process of members.keys()) disturbed.add(process)
    cluster.expireSession(GROUP)
  })
  within(commitFailures, () =>
    cluster.failNextCommit(GROUP, (['unavailable', 'indeterminate-written', 'indeterminate-lost'] as const)[int(3)]!),
  )
  within(int(3), () =>
    cluster.failNextProduce(
      'orders.dlq',
      (['unavailable', 'indeterminate-written', 'indeterminate-lost'] as const)[int(3)]!,
    ),
  )
  if (store !== null)
    within(some(1), () =>
      forAWhile(
        () => (storeIsDown = true),
        () => (storeIsDown = false),
      ),
    )

  return {
    heal() {
      healed = true
      storeIsDown = false
      for (const process of members.keys()) {
        process.resume()
        cluster.unreachable(false, process.name)
      }
      if (members.size === 0) start()
    },
    done() {
      const committed = new Map(cluster.committed(GROUP).map((each) => [each.partition, each.offset]))
      return placed.every(({ partition, offset }) => (committed.get(partition) ?? 0n) > offset)
    },
    check() {
      const dead = parked()
      for (const each of placed) {
        if (!isOver(each, dead)) simulation.violation('lost', `${each.id} at ${each.partition}@${each.offset}`)
      }
      if (ordering !== 'none') {
        const offsets = new Map(placed.map(({ id, partition, key, offset }) => [`${partition}/${key}@${offset}`, id]))
        for (const [key, order] of firsts) {
          const handled = order.filter((offset) => !dead.has(offsets.get(`${key}@${offset}`)!))
          for (const [i, offset] of handled.entries()) {
            if (i > 0 && offset < handled[i - 1]!)
              simulation.violation('out-of-order', `${key}: ${offset} after ${handled[i - 1]!}`)
          }
        }
      }
      if (disturbed.size === 0 && commitFailures === 0 && !anySlow) {
        for (const [id, all] of effects) {
          if (all.length > 1)
            simulation.violation('repeated', `${id} has ${all.length} effects, and nobody was disturbed`)
        }
      }
      for (const letter of cluster.records('orders.dlq')) {
        if (headerText(letter.headers, 'holdfast-id') === undefined) simulation.violation('dead-letter', 'has no id')
      }
    },
  }
}
