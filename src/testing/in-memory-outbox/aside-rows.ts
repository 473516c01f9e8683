import type {
  BucketLease,
  OperationResult,
  ParkedKey,
  ParkedRow,
  ParkedSelection,
  RowPlace,
  SetAside,
} from '../../outbox/index.ts'
import { BUCKETS } from '../../outbox/index.ts'
import type { BucketLeases } from './bucket-leases.ts'
import type { AsideState, OutboxRow, RowVersions } from './row-versions.ts'
import { byRowId } from './row-versions.ts'

/** Rows that are not to be sent for now. */
export interface AsideRows {
  setAside(lease: BucketLease, rows: SetAside): boolean
  parkedKeys(buckets: readonly number[]): readonly ParkedKey[]
  list(topic: string | undefined, limit: number): readonly ParkedRow[]
  /** @param giveUp - parked rows are gone then, and are put back otherwise */
  release(selection: ParkedSelection, giveUp: boolean): OperationResult
}

type ParkedState = Extract<AsideState, { readonly kind: 'parked' }>

/** Looks after the rows of a table that are set aside. */
export function createAsideRows(rows: RowVersions, leases: BucketLeases, now: () => number): AsideRows {
  const allAside = (): OutboxRow[] => Array.from({ length: BUCKETS }, (_, bucket) => rows.aside(bucket)).flat()

  return {
    setAside(lease, { parked, behind }) {
      if (!leases.isCurrent(lease)) return false
      const waiting = (places: readonly RowPlace[]): OutboxRow[] =>
        places.flatMap((place) => rows.waiting({ bucket: lease.bucket, rowId: place.rowId }) ?? [])
      // Marked meanwhile, by a worker that had sent it, a row is not parked any more, and nobody would find what is put behind it.
      const parkedKeys = new Set(
        [...waiting(parked), ...rows.aside(lease.bucket).filter((row) => parkedState(row) !== null)].map(keyOf),
      )
      const follow = waiting(behind)
      if (!follow.every((row) => parkedKeys.has(keyOf(row)))) return false
      for (const { reason, ...place } of parked)
        for (const row of waiting([place])) rows.replace(row, { aside: { kind: 'parked', reason, atMs: now() } })
      for (const row of follow) rows.replace(row, { aside: { kind: 'behind' } })
      return true
    },
    parkedKeys(buckets) {
      const keys = new Map<string, ParkedKey>()
      for (const row of buckets.flatMap((bucket) => rows.aside(bucket))) {
        const { bucket, message } = row
        if (message.key === null || parkedState(row) === null) continue
        const { rowId = row.rowId } = keys.get(keyOf(row)) ?? {}
        const first = rowId < row.rowId ? rowId : row.rowId
        keys.set(keyOf(row), { bucket, topic: message.topic, key: message.key, rowId: first })
      }
      return [...keys.values()]
    },
    list(topic, limit) {
      const all = allAside()
      return all
        .filter((row) => parkedState(row) !== null && (topic === undefined || row.message.topic === topic))
        .toSorted(byRowId)
        .slice(0, limit)
        .map((row) => parkedRow(row, all))
    },
    release(selection, giveUp) {
      const all = allAside()
      const chosen = all.filter((row) => parkedState(row) !== null && isChosen(row, selection))
      if (chosen.length === 0) return { parked: 0, released: 0 }
      let released = 0
      for (const row of chosen) {
        if (giveUp) rows.remove(row)
        else rows.replace(row, { aside: row.message.key === null ? null : { kind: 'behind' } })
      }
      const given = new Set(chosen.map(({ rowId }) => rowId))
      for (const key of new Set(chosen.filter(({ message }) => message.key !== null).map(keyOf))) {
        const ofKey = allAside().filter((row) => keyOf(row) === key)
        // What stands behind another parked row of the key goes on waiting for that one.
        const barrier = ofKey.find((row) => parkedState(row) !== null)
        for (const row of ofKey) {
          if (barrier !== undefined && row.rowId >= barrier.rowId) continue
          rows.replace(row, { aside: null })
          if (!given.has(row.rowId)) released++
        }
      }
      for (const bucket of new Set(chosen.map((row) => row.bucket))) leases.raiseGeneration(bucket)
      return { parked: chosen.length, released }
    },
  }
}

function parkedState({ aside }: OutboxRow): ParkedState | null {
  return aside?.kind === 'parked' ? aside : null
}

function parkedRow(row: OutboxRow, all: readonly OutboxRow[]): ParkedRow {
  const { rowId, message, enqueuedAtMs } = row
  const { reason, atMs } = parkedState(row)!
  const { id, topic, key } = message
  const behind = key === null ? [] : all.filter((each) => parkedState(each) === null && keyOf(each) === keyOf(row))
  return {
    rowId,
    id,
    topic,
    key,
    bytes: bytesOf(row),
    enqueuedAt: new Date(enqueuedAtMs),
    parkedAt: new Date(atMs),
    code: reason.code,
    reason: reason.message,
    behind: behind.length,
  }
}

function isChosen({ message }: OutboxRow, selection: ParkedSelection): boolean {
  if (selection.kind === 'message') return message.id === selection.id
  return selection.kind === 'all' || message.topic === selection.topic
}

function keyOf({ rowId, message: { topic, key } }: OutboxRow): string {
  return key === null ? `${rowId}` : `${topic}\0${Buffer.from(key).toString('hex')}`
}

/** Of key, value and headers. */
export function bytesOf({ message: { key, value, headers } }: OutboxRow): number {
  const ofHeaders = headers.reduce((sum, [name, each]) => sum + Buffer.byteLength(name) + (each?.byteLength ?? 0), 0)
  return (key?.byteLength ?? 0) + (value?.byteLength ?? 0) + ofHeaders
}
