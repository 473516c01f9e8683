import { DEAD_LETTER_HEADERS } from '../../../src/dlq/index.ts'
import type { EventBody, HistoryEvent } from '../history/index.ts'
import { checkHistory, digestOf, digestOfHeaders, type CheckResult } from './index.ts'
import type {
  AcceptedCommit,
  DeadLetterRecord,
  Effect,
  EmittedText,
  Expectations,
  GroupExpectation,
  HeaderEntry,
  SourceRecord,
} from './index.ts'

export const TOPIC = 'orders'
export const GROUP = 'g'
export const PARTITION = { group: GROUP, topic: TOPIC, partition: 0 } as const

type Overrides = Partial<Omit<Expectations, 'groups'>> & { readonly group?: Partial<GroupExpectation> }

/** A hand-written run of one group and one partition: each call is one thing that happened, a millisecond after the one before. */
export interface HistoryBuilder {
  readonly events: readonly HistoryEvent[]
  /** Lets time pass. */
  wait(ms: number): void
  by(proc: string, event: EventBody): void
  /** Written and acknowledged, and there for every reader. */
  sent(value: string, offset: number, options?: { readonly key?: string | null; readonly proc?: string }): void
  /** On the log, whoever wrote it. */
  onLog(value: string, offset: number, key?: string | null): void
  /** Retention takes it off the log. */
  deleted(offset: number): void
  invoked(
    value: string,
    options?: { readonly key?: string | null; readonly proc?: string; readonly txn?: string },
  ): void
  assigned(proc: string, epoch: number, start?: number): void
  revoked(proc: string, epoch: number): void
  lost(proc: string, epoch: number): void
  delivered(proc: string, offset: number, epoch?: number): void
  began(proc: string, offset: number, options?: CallOptions): void
  ended(
    proc: string,
    offset: number,
    result: 'ok' | 'failed' | 'parked' | 'skipped' | 'duplicate',
    options?: CallOptions,
  ): void
  effect(proc: string, offset: number, options?: { readonly value?: string; readonly epoch?: number }): void
  /** Began, left its effect, ended. */
  handled(proc: string, offset: number, options?: CallOptions): void
  /** The dead letter is written and acknowledged. */
  parked(proc: string, offset: number, letter?: LetterOptions): void
  letter(offset: number, options?: LetterOptions): void
  committing(proc: string, offset: number, epoch: number, ranges?: readonly (readonly [number, number])[]): void
  commitEnded(proc: string, offset: number, epoch: number, end: 'ok' | 'fail' | 'info', code?: string): void
  committed(proc: string, offset: number, epoch: number, ranges?: readonly (readonly [number, number])[]): void
  reset(proc: string, from: number, to: number): void
  fault(phase: 'start' | 'stop', fault?: string): void
  exits(proc: string, how: number | string, role?: 'producer' | 'consumer'): void
  stored(...offsets: number[]): void
  emitted(text: EmittedText): void
  check(): CheckResult
  /** `I1 lost` and the like. */
  found(): readonly string[]
}

interface CallOptions {
  readonly epoch?: number
  readonly attempt?: number
  readonly code?: string
}

interface LetterOptions {
  readonly topic?: string
  readonly value?: string
  readonly headers?: readonly HeaderEntry[]
  readonly timestamp?: number
}

/** Begins an empty run. */
export function buildHistory(overrides: Overrides = {}): HistoryBuilder {
  const { group, ...rest } = overrides
  const expectations: Expectations = {
    livenessBoundMs: 10_000,
    ...rest,
    groups: [{ group: GROUP, topics: [TOPIC], ordering: 'key', effects: 'at-least-once', ...group }],
  }
  const events: HistoryEvent[] = []
  const counters = new Map<string, number>()
  const records = new Map<number, SourceRecord>()
  const log: SourceRecord[] = []
  const effects: Effect[] = []
  const deadLetters: DeadLetterRecord[] = []
  const commits: AcceptedCommit[] = []
  const texts: EmittedText[] = []
  let t = 0

  const by = (proc: string, event: EventBody): void => {
    const i = counters.get(proc) ?? 0
    counters.set(proc, i + 1)
    events.push({ i, t: (t += 1_000), proc, ...event })
  }
  const nameAt = (offset: number): { key: string | null; value: string } => {
    const { key, value } = records.get(offset)!
    return { key, value: value! }
  }
  const run: HistoryBuilder = {
    events,
    wait: (ms) => void (t += ms * 1_000),
    by,
    sent(value, offset, { key = 'k', proc = 'producer-1#1' } = {}) {
      run.invoked(value, { key, proc })
      run.onLog(value, offset, key)
      by(proc, { f: 'produce-ok', value, topic: TOPIC, partition: 0, offset: BigInt(offset) })
    },
    onLog(value, offset, key = 'k') {
      const position = { topic: TOPIC, partition: 0, offset: BigInt(offset) }
      const record = { ...position, key, value, timestamp: 1_000 + offset }
      const digests = { headersDigest: digestOfHeaders(OWN_HEADERS), valueDigest: digestOf(`payload of ${value}`) }
      log.push({ ...record, ...digests })
      records.set(offset, log.at(-1)!)
    },
    deleted: (offset) =>
      void log.splice(
        log.findIndex((record) => record.offset === BigInt(offset)),
        1,
      ),
    invoked: (value, { key = 'k', proc = 'producer-1#1', txn } = {}) =>
      by(proc, { f: 'produce-invoke', value, key, topic: TOPIC, ...(txn !== undefined && { txn }) }),
    assigned: (proc, epoch, start = 0) => by(proc, { f: 'assign', ...PARTITION, epoch, start: BigInt(start) }),
    revoked: (proc, epoch) => by(proc, { f: 'revoke', ...PARTITION, epoch }),
    lost: (proc, epoch) => by(proc, { f: 'lost', ...PARTITION, epoch }),
    delivered: (proc, offset, epoch = 1) =>
      by(proc, { f: 'deliver', ...PARTITION, offset: BigInt(offset), epoch, attempt: 1, ...nameAt(offset) }),
    began: (proc, offset, { epoch = 1, attempt = 1 } = {}) =>
      by(proc, { f: 'handler-begin', ...PARTITION, offset: BigInt(offset), epoch, attempt, ...nameAt(offset) }),
    ended(proc, offset, result, { epoch = 1, attempt = 1, code } = {}) {
      const call = { ...PARTITION, offset: BigInt(offset), epoch, attempt, ...nameAt(offset) }
      by(proc, { f: 'handler-end', ...call, result, ...(code !== undefined && { code }) })
    },
    effect(proc, offset, { value = nameAt(offset).value, epoch = 1 } = {}) {
      const { key } = nameAt(offset)
      effects.push({ seq: effects.length, ...PARTITION, offset: BigInt(offset), key, value, proc, epoch })
    },
    handled(proc, offset, options = {}) {
      run.began(proc, offset, options)
      run.effect(proc, offset, options)
      run.ended(proc, offset, 'ok', options)
    },
    parked(proc, offset, letter = {}) {
      run.letter(offset, letter)
      const deadLetterTopic = letter.topic ?? `${TOPIC}.dlq`
      by(proc, { f: 'park', ...PARTITION, offset: BigInt(offset), deadLetterTopic, code: 'HANDLER' })
    },
    letter(offset, options = {}) {
      const {
        topic = `${TOPIC}.dlq`,
        value = `payload of ${nameAt(offset).value}`,
        timestamp = 1_000 + offset,
      } = options
      const headers: HeaderEntry[] = [
        ...(options.headers ?? OWN_HEADERS),
        [DEAD_LETTER_HEADERS.topic, TOPIC],
        [DEAD_LETTER_HEADERS.partition, '0'],
        [DEAD_LETTER_HEADERS.offset, String(offset)],
        [DEAD_LETTER_HEADERS.timestamp, String(timestamp)],
        [DEAD_LETTER_HEADERS.group, GROUP],
      ]
      const position = { topic, partition: 0, offset: BigInt(deadLetters.length) }
      deadLetters.push({ ...position, key: nameAt(offset).key, value: digestOf(value), headers })
    },
    committing(proc, offset, epoch, ranges) {
      const commit = { ...PARTITION, offset: BigInt(offset), epoch }
      const exact = ranges?.map(([first, last]) => [BigInt(first), BigInt(last)] as const)
      by(proc, { f: 'commit-invoke', ...commit, ...(exact !== undefined && { ranges: exact }) })
    },
    commitEnded(proc, offset, epoch, end, code = 'HOLDFAST_EPOCH_LOST') {
      const commit = { ...PARTITION, offset: BigInt(offset), epoch }
      by(proc, end === 'ok' ? { f: 'commit-ok', ...commit } : { f: `commit-${end}`, ...commit, code })
    },
    committed(proc, offset, epoch, ranges) {
      run.committing(proc, offset, epoch, ranges)
      run.commitEnded(proc, offset, epoch, 'ok')
    },
    reset: (proc, from, to) =>
      by(proc, { f: 'reset', ...PARTITION, from: BigInt(from), to: BigInt(to), why: 'out of range' }),
    fault: (phase, fault = 'kill') => by('nemesis', { f: 'nemesis', fault, target: 'consumer-1', phase }),
    exits(proc, how, role = 'consumer') {
      const end = typeof how === 'number' ? { exitCode: how } : { signal: how }
      by('machine', { f: 'stop', role, of: proc, ...end })
    },
    stored: (...offsets) => void commits.push(...offsets.map((offset) => ({ ...PARTITION, offset: BigInt(offset) }))),
    emitted: (text) => void texts.push(text),
    check: () => checkHistory({ events, effects, log, deadLetters, commits, texts, expectations }),
    found: () => run.check().anomalies.map(({ invariant, type }) => `${invariant} ${type}`),
  }
  return run
}

const OWN_HEADERS: readonly HeaderEntry[] = [
  ['source', 'shop'],
  ['empty', ''],
  ['null', null],
]
