import type { OutboxMessage, ParkReason, RowPlace } from '../../outbox/index.ts'

/** A row as it is set aside: parked with a reason, or behind such a row of its key. */
export type AsideState =
  { readonly kind: 'parked'; readonly reason: ParkReason; readonly atMs: number } | { readonly kind: 'behind' }

/** What is in a row. Its place is `bucket` while it waits; set aside it is out of the way of all scans. */
export interface OutboxRow extends RowPlace {
  readonly message: OutboxMessage
  readonly enqueuedAtMs: number
  /** Null: it waits to be sent. */
  readonly aside: AsideState | null
}

/** Whether what a transaction, or a savepoint, has written is there. */
export interface Fate {
  state: 'open' | 'committed' | 'rolled-back'
}

/** What keeps the dead from being swept away: a snapshot, or a transaction under way. */
export interface Holder {
  readonly since: number
}

/** A table as PostgreSQL keeps it: what was deleted lies there, and scans have to pass it, as long as somebody could still see it. */
export interface RowVersions {
  add(row: OutboxRow, fate: Fate): void
  /** The committed row that waits at this place. */
  waiting(place: RowPlace): OutboxRow | undefined
  /** Committed rows that wait, of a bucket, by row id; each that a scan passes is counted, the dead and the uncommitted too. */
  scan(bucket: number, after: bigint, upTo: bigint | undefined): Iterable<OutboxRow>
  /** Committed rows that are set aside, of a bucket, by row id. */
  aside(bucket: number): readonly OutboxRow[]
  /** All committed rows by row id. */
  all(): readonly OutboxRow[]
  remove(row: OutboxRow): void
  /** In the place of a row comes another version of it. */
  replace(row: OutboxRow, change: Pick<OutboxRow, 'aside'>): void
  /** What was written under these fates is gone: they were rolled back. */
  takeBack(fates: readonly Fate[]): void
  hold(): Holder
  letGo(holder: Holder): void
  /** How many versions scans have passed so far. */
  readonly scanned: number
  /** How many dead versions lie there. */
  readonly dead: number
}

interface Version {
  readonly row: OutboxRow
  readonly fate: Fate
  /** Which change has deleted it; 0: none. */
  diedAt: number
}

/** Versions of a bucket that wait, or of one that are set aside, by row id. */
type Shelf = Version[]

const COMMITTED: Fate = { state: 'committed' }

/** Makes an empty table. */
export function createRowVersions(): RowVersions {
  const waiting = new Map<number, Shelf>()
  const aside = new Map<number, Shelf>()
  const holders = new Set<Holder>()
  let dead: Version[] = []
  let changes = 0
  let scanned = 0

  const shelfOf = (row: Pick<OutboxRow, 'bucket' | 'aside'>): Shelf => {
    const shelves = row.aside === null ? waiting : aside
    const shelf = shelves.get(row.bucket) ?? []
    shelves.set(row.bucket, shelf)
    return shelf
  }
  const put = (version: Version): void => {
    const shelf = shelfOf(version.row)
    shelf.splice(firstFrom(shelf, version.row.rowId + 1n), 0, version)
  }
  const takeOut = (version: Version): void => {
    const shelf = shelfOf(version.row)
    const i = shelf.indexOf(version, firstFrom(shelf, version.row.rowId))
    if (i !== -1) shelf.splice(i, 1)
  }
  const versionOf = (row: OutboxRow): Version | undefined => {
    const shelf = shelfOf(row)
    for (let i = firstFrom(shelf, row.rowId); shelf[i]?.row.rowId === row.rowId; i++)
      if (isThere(shelf[i]!)) return shelf[i]
    return undefined
  }
  const sweep = (): void => {
    const oldest = Math.min(...[...holders].map(({ since }) => since))
    const seen = dead.filter(({ diedAt }) => diedAt > oldest)
    for (const version of dead) if (version.diedAt <= oldest) takeOut(version)
    dead = seen
  }
  const bury = (version: Version): void => {
    version.diedAt = ++changes
    if (holders.size === 0) takeOut(version)
    else dead.push(version) // whoever holds the table now has begun before
  }
  const committed = (shelf: Shelf): OutboxRow[] => shelf.filter(isThere).map(({ row }) => row)

  const table: RowVersions = {
    add: (row, fate) => put({ row, fate, diedAt: 0 }),
    waiting: ({ bucket, rowId }) => versionOf({ bucket, rowId, aside: null } as OutboxRow)?.row,
    *scan(bucket, after, upTo) {
      const shelf = waiting.get(bucket) ?? []
      for (let i = firstFrom(shelf, after + 1n); i < shelf.length; i++) {
        if (upTo !== undefined && shelf[i]!.row.rowId > upTo) return
        scanned++
        if (isThere(shelf[i]!)) yield shelf[i]!.row
      }
    },
    aside: (bucket) => committed(aside.get(bucket) ?? []),
    all: () => [...waiting.values(), ...aside.values()].flatMap(committed).toSorted(byRowId),
    remove(row) {
      const version = versionOf(row)
      if (version !== undefined) bury(version)
    },
    replace(row, change) {
      const version = versionOf(row)
      if (version === undefined) return
      bury(version)
      put({ row: { ...row, ...change }, fate: COMMITTED, diedAt: 0 })
    },
    takeBack(fates) {
      const gone = new Set(fates)
      for (const [bucket, shelf] of waiting) {
        if (shelf.some(({ fate }) => gone.has(fate))) waiting.set(bucket, shelf.filter(({ fate }) => !gone.has(fate))) // prettier-ignore
      }
    },
    hold() {
      const holder: Holder = { since: changes }
      holders.add(holder)
      return holder
    },
    letGo(holder) {
      holders.delete(holder)
      sweep()
    },
    get scanned() {
      return scanned
    },
    get dead() {
      return dead.length
    },
  }
  return table
}

function isThere({ fate, diedAt }: Version): boolean {
  return fate.state === 'committed' && diedAt === 0
}

/** The index of the first version with this row id or a greater one. */
function firstFrom(shelf: Shelf, rowId: bigint): number {
  let [low, high] = [0, shelf.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (shelf[middle]!.row.rowId < rowId) low = middle + 1
    else high = middle
  }
  return low
}

/** Sorts by row id. */
export function byRowId(one: RowPlace, other: RowPlace): number {
  return one.rowId < other.rowId ? -1 : 1
}
