import { describe, expect, test } from 'vitest'
import { inMemoryEnvironment } from '../../../scripts/conformance/index.ts'
import type {
  AssignedPartition,
  ConsumerCallbacks,
  Driver,
  DriverConsumer,
  InboundBatch,
} from '../../../src/driver/index.ts'
import type { ConformanceResult, DriverConformanceOptions } from '../../../src/testing/index.ts'
import { driverConformance } from '../../../src/testing/index.ts'

const environment = inMemoryEnvironment({ latencyMs: 0 })

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
