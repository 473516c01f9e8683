import { describe, expect, test } from 'vitest'
import { inMemoryEnvironment } from '../../../scripts/conformance/index.ts'
import type {
  AssignedPartition,
  ConsumerCallbacks,
  Driver,
  DriverConsumer,
  DriverProducer,
  InboundBatch,
} from '../../../src/driver/index.ts'
import { HoldfastError } from '../../../src/errors/index.ts'
import type { ConformanceResult, DriverConformanceOptions } from '../../../src/testing/index.ts'
import { driverConformance } from '../../../src/testing/index.ts'

const environment = inMemoryEnvironment({ latencyMs: 0 })
const cooperative = inMemoryEnvironment({ latencyMs: 0, rebalance: 'cooperative' })

/** Goes through the suite as a test runner does, or through those of its promises. */
async function judge(
  options: Partial<DriverConformanceOptions>,
  promises: (promise: string) => boolean = () => true,
): Promise<readonly ConformanceResult[]> {
  const bodies: Array<() => Promise<void>> = []
  const results = driverConformance({
    ...environment,
    boundMs: 30_000,
    ...options,
    describe: (_name, body) => body(),
    test: (promise, body) => void (promises(promise) && bodies.push(body)),
  })
  for (const body of bodies) await body().catch(() => {})
  return results
}

const outcomeOf = (results: readonly ConformanceResult[], promise: string): ConformanceResult['outcome'] =>
  results.find((result) => result.promise.startsWith(promise))!.outcome

describe('what driverConformance answers', () => {
  const untestable = 'this cluster cannot do that'
  const claims = { ...environment.capabilities, headerOrder: false, commitMetadata: false }
  const unable = { ...environment.faults, skipOffsetsTo: untestable }

  test('names what became of every promise, those without a test too, so that none passes unseen', async () => {
    const results = await judge({ capabilities: claims, faults: unable })
    expect(results.filter(({ outcome }) => outcome.kind === 'open' || outcome.kind === 'broken')).toEqual([])
    expect(outcomeOf(results, 'carries headers in their order')).toEqual({
      kind: 'otherwise',
      flag: 'headerOrder',
      claimed: false,
    })
    expect(outcomeOf(results, 'carries every header, __proto__')).toEqual({ kind: 'kept' })
    expect(outcomeOf(results, 'keeps the metadata of each partition')).toMatchObject({ flag: 'commitMetadata' })
    expect(outcomeOf(results, 'carries offsets beyond 2^53')).toEqual({ kind: 'untestable', reason: untestable })
  })

  test('answers in the order of the suite, with each promise once, so that tables of two drivers fit together', async () => {
    const all = (await judge({}, () => false)).map(({ subject, promise }) => `${subject}: ${promise}`)
    const fewer = (await judge({ capabilities: claims, faults: unable }, () => false)).map(
      ({ subject, promise }) => `${subject}: ${promise}`,
    )
    expect(fewer).toEqual(all)
    expect(new Set(all).size).toBe(all.length)
  })

  test('registers no group without a test in it: some runners take one for a failure', () => {
    const groups = new Map<string, number>()
    let group = ''
    const results = driverConformance({
      ...environment,
      faults: { ...environment.faults, coordinatorLoading: untestable },
      describe(name, body) {
        groups.set((group = name), 0)
        body()
      },
      test: () => void groups.set(group, groups.get(group)! + 1),
    })
    expect(results.some(({ subject }) => subject === 'while the coordinator loads')).toBe(true)
    expect([...groups].filter(([name, tests]) => tests === 0 || name.endsWith('while the coordinator loads'))).toEqual(
      [],
    )
  })
})

type Wrap = (consumer: DriverConsumer) => Partial<DriverConsumer>
type Spoil = (callbacks: ConsumerCallbacks) => Partial<ConsumerCallbacks>

const inConsumer =
  (wrap: Wrap) =>
  (driver: Driver): Driver => ({
    ...driver,
    createConsumer(options) {
      const consumer = driver.createConsumer(options)
      return { ...consumer, ...wrap(consumer) }
    },
  })
const inProducer =
  (wrap: (producer: DriverProducer, another: () => DriverProducer) => Partial<DriverProducer>) =>
  (driver: Driver): Driver => ({
    ...driver,
    createProducer(options) {
      const producer = driver.createProducer(options)
      return { ...producer, ...wrap(producer, () => driver.createProducer(options)) }
    },
  })
const inCallbacks = (spoil: Spoil): ((driver: Driver) => Driver) =>
  inConsumer((consumer) => ({
    start: (topics, callbacks) => consumer.start(topics, { ...callbacks, ...spoil(callbacks) }),
  }))
const inBatches = (change: (batch: InboundBatch) => Partial<InboundBatch>): ((driver: Driver) => Driver) =>
  inCallbacks(({ onBatch }) => ({ onBatch: (batch) => onBatch({ ...batch, ...change(batch) }) }))
const inAssignments = (change: (partition: AssignedPartition) => AssignedPartition): ((driver: Driver) => Driver) =>
  inCallbacks(({ onAssigned }) => ({ onAssigned: (partitions) => onAssigned(partitions.map(change)) }))

/** Defects that clients have or could have, each with the promise that must not hold then. */
const defects: ReadonlyArray<readonly [defect: string, promise: string, of: (driver: Driver) => Driver]> = [
  ['loses records', 'delivers every record', inBatches(({ records }) => ({ records: [...records].slice(1) }))],
  [
    'turns records round',
    'delivers every record',
    inBatches(({ records }) => ({ records: [...records].toReversed() })),
  ],
  ['doubles records', 'delivers every record', inBatches(({ records }) => ({ records: [...records, ...records] }))],
  [
    'makes a tombstone an empty value',
    'carries key and value byte for byte',
    inBatches(({ records }) => ({
      records: Array.from(records, (record) => ({ ...record, value: record.value ?? new Uint8Array() })),
    })),
  ],
  [
    'makes a header without value an empty one',
    'tells a header without a value',
    inBatches(({ records }) => ({
      records: Array.from(records, (record) => ({
        ...record,
        headers: record.headers.map(([name, value]) => [name, value ?? new Uint8Array()] as const),
      })),
    })),
  ],
  [
    'sorts headers',
    'carries headers in their order',
    inBatches(({ records }) => ({
      records: Array.from(records, (record) => ({
        ...record,
        headers: record.headers.toSorted(([a], [b]) => (a < b ? -1 : 1)),
      })),
    })),
  ],
  [
    'stops before the end of a transaction',
    'counts the end of a committed transaction',
    inBatches(({ records, nextOffset }) => ({ nextOffset: ([...records].at(-1)?.offset ?? nextOffset - 1n) + 1n })),
  ],
  [
    'says nothing of filtered records',
    'tells of a transaction that was rolled back',
    inCallbacks(({ onBatch }) => ({ onBatch: (batch) => void (batch.records.length > 0 && onBatch(batch)) })),
  ],
  [
    'does not know the end',
    'says with each batch',
    inBatches(({ nextOffset }) => ({ highWatermark: nextOffset + 1n })),
  ],
  ['reads no commit', 'hands a later member', inAssignments((each) => ({ ...each, committed: null }))],
  ['counts epochs from 1 each time', 'lets a member drain', inAssignments((each) => ({ ...each, epoch: 1 }))],
  [
    'begins at the start whatever it is told',
    'begins where onAssigned says',
    inCallbacks(({ onAssigned }) => ({
      onAssigned: async (partitions) => (await onAssigned(partitions)).map((each) => ({ ...each, offset: 0n })),
    })),
  ],
  [
    'delivers before it is told where to begin',
    'delivers nothing before onAssigned has resolved',
    inCallbacks(({ onAssigned }) => ({
      onAssigned: async (partitions) => {
        void onAssigned(partitions)
        return partitions.map(({ topic, partition }) => ({ topic, partition, offset: 0n }))
      },
    })),
  ],
  ['commits nothing', 'hands a later member', inConsumer(() => ({ commit: async () => {} }))],
  [
    'commits the last offset instead of the next',
    'commits nothing by itself',
    inConsumer(({ commit }) => ({
      commit: (all) => commit(all.map((each) => ({ ...each, offset: each.offset - 1n }))),
    })),
  ],
  [
    'drops metadata',
    'keeps the metadata of each partition',
    inConsumer(({ commit }) => ({ commit: (all) => commit(all.map(({ metadata: _metadata, ...each }) => each)) })),
  ],
  [
    'commits partition by partition',
    'refuses a commit of several partitions as a whole',
    inConsumer(({ commit }) => ({
      commit: async (all) => void (await Promise.all(all.map((each) => commit([each])))),
    })),
  ],
  [
    'swallows the refusal of a commit',
    'refuses a commit under an epoch that is over',
    inConsumer(({ commit }) => ({ commit: (all) => commit(all).catch(() => {}) })),
  ],
  ['pauses nothing', 'delivers nothing of a paused partition', inConsumer(() => ({ pause() {} }))],
  ['never resumes', 'delivers nothing of a paused partition', inConsumer(() => ({ resume() {} }))],
  ['seeks nothing', 'goes on where a seek says', inConsumer(() => ({ seek() {} }))],
  [
    'resumes by seeking',
    'remembers a seek of a paused partition',
    inConsumer(({ seek, resume }) => ({ seek: (to) => (resume([to]), seek(to)) })),
  ],
  ['takes partitions without a word', 'lets a member drain', inCallbacks(() => ({ onRevoked: async () => {} }))],
  [
    'does not wait for the drain',
    'keeps the group waiting while a member drains',
    inCallbacks(({ onRevoked }) => ({
      onRevoked: async (partitions, epoch) => void Promise.resolve().then(() => onRevoked(partitions, epoch)),
    })),
  ],
  ['keeps a loss to itself', 'reports a membership that ended as lost', inCallbacks(() => ({ onLost() {} }))],
  ['dies silently', 'ends with onCrash when onBatch throws', inCallbacks(() => ({ onCrash() {} }))],
  ['stalls at a position off the log', 'reports a position beyond the end', inCallbacks(() => ({ onOutOfRange() {} }))],
  [
    'jumps over what was deleted',
    'reports a committed offset whose record was deleted',
    inConsumer((consumer) => ({
      start: (topics, callbacks) =>
        consumer.start(topics, {
          ...callbacks,
          onOutOfRange: ({ topic, partition, earliest }) => consumer.seek({ topic, partition, offset: earliest }),
        }),
    })),
  ],
  ['stays when it is stopped', 'gives partitions on at once', inConsumer(() => ({ stop: async () => {} }))],
  [
    'sends again what was lost through another producer',
    'writes a batch once whose answer was lost',
    inProducer((producer, another) => ({
      async produce(batch, options) {
        const outcomes = await producer.produce(batch, { timeoutMs: 1 })
        if (outcomes.every(({ ok }) => ok)) return outcomes
        const next = another()
        await next.connect()
        return next.produce(batch, options)
      },
    })),
  ],
  [
    'sends every batch of a transaction twice',
    'writes a batch of a transaction once',
    inProducer(({ begin }) => ({
      async begin() {
        const transaction = await begin()
        return {
          ...transaction,
          produce: async (batch, options) => (
            await transaction.produce(batch, options),
            transaction.produce(batch, options)
          ),
        }
      },
    })),
  ],
  [
    'takes a topic that is gone for one that is slow',
    'says that a topic is unknown when it was deleted',
    inProducer(({ produce }) => ({
      produce: async (batch, options) =>
        (await produce(batch, options)).map((outcome) =>
          outcome.ok ? outcome : { ok: false, error: new HoldfastError('HOLDFAST_UNAVAILABLE', 'not there') },
        ),
    })),
  ],
  [
    'makes keys up',
    'refuses a record without a key for a compacted topic',
    inProducer(({ produce }) => ({
      produce: (batch, options) =>
        produce(
          { ...batch, records: batch.records.map((each) => ({ ...each, key: each.key ?? Buffer.from('none') })) },
          options,
        ),
    })),
  ],
  [
    'numbers records by itself',
    'delivers what compaction has left',
    inBatches(({ records }) => ({ records: Array.from(records, (each, i) => ({ ...each, offset: BigInt(i) })) })),
  ],
  [
    'takes a gap for a position off the log',
    'passes over what compaction has emptied',
    inCallbacks((callbacks) => {
      const next = new Map<number, bigint>()
      return {
        async onAssigned(partitions) {
          const starts = await callbacks.onAssigned(partitions)
          for (const { partition, offset } of starts) next.set(partition, offset)
          return starts
        },
        onBatch(batch) {
          const [first] = batch.records
          const from = next.get(batch.partition)
          if (first === undefined || from === undefined || first.offset === from) callbacks.onBatch(batch)
          else callbacks.onOutOfRange({ ...batch, offset: from, earliest: first.offset, latest: batch.highWatermark })
        },
      }
    }),
  ],
  [
    'waits for a topic that is gone',
    'ends with onCrash when its topic is deleted',
    inCallbacks(() => ({ onCrash() {} })),
  ],
  [
    'starts on topics that are not there',
    'ends with onCrash when its topic is deleted',
    inConsumer(({ start }) => ({ start: (topics, callbacks) => start(topics, callbacks).catch(() => {}) })),
  ],
  [
    'goes on in a new topic where it stood in the old one',
    'reads all of a topic that was deleted and made anew',
    inConsumer(({ start, commit }) => {
      let stored: bigint | undefined
      return {
        async commit(offsets) {
          await commit(offsets)
          stored = offsets[0]?.offset
        },
        start: (topics, callbacks) =>
          start(topics, {
            ...callbacks,
            onAssigned: (partitions) =>
              callbacks.onAssigned(
                partitions.map((each) => ({
                  ...each,
                  committed: each.committed ?? (stored === undefined ? null : { offset: stored, metadata: '' }),
                })),
              ),
          }),
      }
    }),
  ],
  [
    'tells no commits when one of the topics is gone',
    'knows no commit for a topic that does not exist',
    (driver) => ({
      ...driver,
      createAdmin(options) {
        const admin = driver.createAdmin(options)
        return {
          ...admin,
          async committedOffsets(groupId, topics) {
            if ((await admin.partitionCounts(topics)).size < topics.length) return []
            return admin.committedOffsets(groupId, topics)
          },
        }
      },
    }),
  ],
  [
    'begins without the commits that are not loaded yet',
    'joins when the coordinator has loaded',
    inAssignments((each) => ({ ...each, committed: null })),
  ],
  [
    'takes a commit that was not stored for stored',
    'keeps its partitions and reads on while the coordinator loads',
    inConsumer(({ commit }) => ({ commit: (all) => commit(all).catch(() => {}) })),
  ],
  ['makes heartbeats up', 'says when the group last confirmed', inConsumer(() => ({ lastHeartbeatAt: () => 1 }))],
]

describe('a driver with a defect', () => {
  test.each(defects)('that %s breaks: %s', async (_defect, promise, of) => {
    const results = await judge(
      {
        async create() {
          const world = await environment.create()
          return { ...world, driver: of(world.driver), otherDriver: of(world.otherDriver) }
        },
      },
      (each) => each.startsWith(promise),
    )
    expect(outcomeOf(results, promise).kind).toBe('broken')
  })
})

const asItIs = (driver: Driver): Driver => driver

/** The same for promises about cooperative rebalances; the first two are kept by no driver that takes all partitions back. */
const cooperativeDefects: ReadonlyArray<
  readonly [
    defect: string,
    promise: string,
    on: Pick<DriverConformanceOptions, 'create'>,
    of: (driver: Driver) => Driver,
  ]
> = [
  ['takes all back at each rebalance', 'takes only what goes to another member', environment, asItIs],
  ['stops all that it reads at each rebalance', 'goes on with what stays', environment, asItIs],
  ['has one epoch for all that it owns', 'gives a member that joined later its own epoch', environment, asItIs],
  [
    'swallows the refusal of a commit',
    'refuses a commit for what went',
    cooperative,
    inConsumer(({ commit }) => ({ commit: (all) => commit(all).catch(() => {}) })),
  ],
  [
    'tells of one of its losses',
    'gives a member that joined later its own epoch',
    cooperative,
    inCallbacks(({ onLost }) => {
      let told = false
      return {
        onLost(partitions, epoch) {
          if (!told) onLost(partitions, epoch)
          told = true
        },
      }
    }),
  ],
]

describe('a driver that says its rebalances are cooperative', () => {
  test('keeps every promise that holds for them, when they are', async () => {
    const results = await judge(cooperative)
    expect(results.filter(({ outcome }) => outcome.kind === 'open' || outcome.kind === 'broken')).toEqual([])
    expect(outcomeOf(results, 'forgets a seek with its epoch')).toEqual({
      kind: 'untestable',
      reason: 'its rebalances are cooperative',
    })
  })

  test.each(cooperativeDefects)('and that %s breaks: %s', async (_defect, promise, on, of) => {
    const results = await judge(
      {
        rebalance: 'cooperative',
        async create() {
          const world = await on.create()
          return { ...world, driver: of(world.driver), otherDriver: of(world.otherDriver) }
        },
      },
      (each) => each.startsWith(promise),
    )
    expect(outcomeOf(results, promise).kind).toBe('broken')
  })
})
