import type { EventBody, HistoryEvent } from '../history/index.ts'
import { bucketOf } from './outbox-story.ts'
import { checkHistory, STAND_STILL } from './index.ts'
import type { CheckResult, Expectations, OutboxRecord, OutboxRow } from './index.ts'

const TOPIC = 'orders'

/** A hand-written run of an outbox: each call is one thing that happened, a millisecond after the one before. */
export interface OutboxBuilder {
  wait(ms: number): void
  /** Committed with the database, the next one of its key. */
  committed(id: string, key?: string): void
  /** On the log, whoever wrote it; @returns its offset. */
  onLog(
    id: string | null,
    options?: { readonly key?: string; readonly digest?: string; readonly partition?: number },
  ): bigint
  /** Still in the outbox's table. */
  left(id: string, isSetAside?: boolean): void
  /** Has the bucket of a key from now on. */
  takes(proc: string, epoch: number, key?: string): void
  loses(proc: string, epoch: number, key?: string): void
  releases(proc: string, epoch: number, key?: string): void
  /** Hands a batch to the driver; @returns its number. */
  sends(proc: string, ...ids: readonly string[]): number
  /** The broker has these of a batch, and they are on the log from now on. */
  acked(proc: string, batch: number, ids: readonly string[], code?: string): void
  failed(proc: string, batch: number, code: string): void
  marked(proc: string, ...ids: readonly string[]): void
  /** Sent, written, acknowledged and marked. */
  relayed(proc: string, ...ids: readonly string[]): void
  transaction(result: 'committed' | 'rolled-back' | 'failed' | 'in-doubt'): void
  stands(proc: string): void
  goesOn(proc: string): void
  killed(proc: string): void
  check(): CheckResult
  /** `I10 missing` and the like. */
  found(): readonly string[]
}

/** Begins an empty run. */
export function buildOutbox(expectations: Partial<Expectations> = {}): OutboxBuilder {
  const events: HistoryEvent[] = []
  const counters = new Map<string, number>()
  const rows: OutboxRow[] = []
  const records: OutboxRecord[] = []
  const leftRows: { id: string; isSetAside: boolean }[] = []
  let [t, batches, transactions] = [0, 0, 0]
  const by = (proc: string, event: EventBody): void => {
    const i = counters.get(proc) ?? 0
    counters.set(proc, i + 1)
    events.push({ i, t: (t += 1_000), proc, ...event })
  }
  const rowOf = (id: string): OutboxRow | undefined => rows.find((row) => row.id === id)
  const bucket = (key = 'k'): number => bucketOf(TOPIC, { id: '', key, seq: 0 })
  const change = (proc: string, what: 'taken' | 'lost' | 'released', epoch: number, key?: string): void =>
    by(proc, { f: 'bucket', change: what, bucket: bucket(key), epoch: BigInt(epoch) })

  const run: OutboxBuilder = {
    wait: (ms) => void (t += ms * 1_000),
    committed(id, key = 'k') {
      rows.push({ id, key, seq: rows.filter((row) => row.key === key).length + 1 })
    },
    onLog(
      id,
      { key = (id === null ? undefined : rowOf(id)?.key) ?? 'k', digest = `bytes of ${id}`, partition = 0 } = {},
    ) {
      const offset = BigInt(records.length)
      records.push({ topic: TOPIC, partition, offset, id, key, digest })
      return offset
    },
    left: (id, isSetAside = false) => void leftRows.push({ id, isSetAside }),
    takes: (proc, epoch, key) => change(proc, 'taken', epoch, key),
    loses: (proc, epoch, key) => change(proc, 'lost', epoch, key),
    releases: (proc, epoch, key) => change(proc, 'released', epoch, key),
    sends(proc, ...ids) {
      const batch = ++batches
      by(proc, { f: 'relay-send', batch, topic: TOPIC, partition: 0, ids })
      return batch
    },
    acked(proc, batch, ids, code) {
      const offsets = ids.map((id) => String(run.onLog(id)))
      by(proc, { f: 'relay-answer', batch, acked: ids, offsets, ...(code === undefined ? {} : { code }) })
    },
    failed: (proc, batch, code) => by(proc, { f: 'relay-answer', batch, acked: [], offsets: [], code }),
    marked: (proc, ...ids) => by(proc, { f: 'relay-mark', phase: 'ok', ids }),
    relayed(proc, ...ids) {
      run.acked(proc, run.sends(proc, ...ids), ids)
      run.marked(proc, ...ids)
    },
    transaction: (result) => by('enqueuer-1#1', { f: 'transaction', txn: `t-${++transactions}`, result, messages: 1 }),
    stands: (proc) => by('machine', { f: 'nemesis', fault: STAND_STILL, target: proc, phase: 'start' }),
    goesOn: (proc) => by('machine', { f: 'nemesis', fault: STAND_STILL, target: proc, phase: 'stop' }),
    killed: (proc) => by('machine', { f: 'stop', role: 'relay', of: proc, signal: 'SIGKILL' }),
    check: () =>
      checkHistory({
        events,
        effects: [],
        log: [],
        deadLetters: [],
        outbox: { rows, records, left: leftRows },
        expectations: { livenessBoundMs: 10_000, allowedExits: [0, 'SIGKILL'], ...expectations, groups: [] },
      }),
    found: () => run.check().anomalies.map(({ invariant, type }) => `${invariant} ${type}`),
  }
  return run
}
