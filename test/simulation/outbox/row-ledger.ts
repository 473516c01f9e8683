import type { InboundRecord } from '../../../src/record/index.ts'
import { headerText } from '../../../src/record/index.ts'
import type { InMemoryOutbox, InMemoryOutboxRow } from '../../../src/testing/index.ts'
import type { Simulation } from '../../../src/testing/simulation/index.ts'
import type { WrittenCopies } from './written-copies.ts'

/** All that was committed, and what has to have become of it. */
export interface RowLedger {
  /** How many rows were committed. */
  readonly committed: number
  /** An operator has given these up, just now. */
  discarded(rows: readonly InMemoryOutboxRow[]): void
  /** What is set aside is so for its own key's sake. */
  checkAside(): void
  /** At the end of all. */
  checkLog(topics: readonly string[]): void
}

/** What {@link createRowLedger} needs. */
export interface RowLedgerOptions {
  readonly simulation: Simulation
  readonly database: InMemoryOutbox
  readonly copies: WrittenCopies
  /** Is the topic there yet? */
  readonly isThere: (topic: string) => boolean
  /** Nothing may be doubled. */
  readonly calm: boolean
  /** No old copy may come after a newer record, whoever stood still. */
  readonly fenced: boolean
}

/** Makes a {@link RowLedger}. */
export function createRowLedger(options: RowLedgerOptions): RowLedger {
  const { simulation, database, copies, isThere, calm, fenced } = options
  const { cluster, violation } = simulation
  const rows = new Map<string, InMemoryOutboxRow>()
  /** With how many copies were on the log then. */
  const givenUp = new Map<string, number>()
  database.onCommitted((committed) => {
    for (const row of committed) {
      simulation.note(`committed: ${nameOf(row)}`)
      rows.set(row.id, row)
    }
  })

  const copiesOf = (topic: string): ReadonlyMap<string, readonly InboundRecord[]> => {
    const found = new Map<string, InboundRecord[]>()
    for (const record of isThere(topic) ? cluster.records(topic) : []) {
      const id = headerText(record.headers, 'holdfast-id') ?? ''
      found.set(id, [...(found.get(id) ?? []), record])
    }
    return found
  }

  /** Rows of one key with what is on the log of them, both in the order of commits: first copies are in it, and so are the last ones. */
  const checkKey = (
    ofKey: readonly InMemoryOutboxRow[],
    found: ReadonlyMap<string, readonly InboundRecord[]>,
  ): void => {
    let [first, last] = [-1n, -1n]
    for (const row of ofKey) {
      const own = found.get(row.id) ?? []
      if (own.length === 0) continue
      if (own[0]!.offset < first) violation('out-of-order', `${nameOf(row)} is sent after a later row of its key`)
      first = own[0]!.offset
    }
    for (const row of ofKey) {
      const own = found.get(row.id) ?? []
      if (own.length === 0) continue
      const { offset } = own.at(-1)!
      if (offset > last) last = offset
      else {
        const culprits = ofKey
          .filter((each) => each.rowId < row.rowId)
          .flatMap((each) => {
            const copy = found.get(each.id)?.at(-1)
            if (copy === undefined || copy.offset < offset || copy.partition !== own[0]!.partition) return []
            return !fenced && copies.wasStandingStill(copy.headers) ? [] : [{ each, copy }]
          })
        for (const { each, copy } of culprits) {
          const who = `${nameOf(each)} behind ${nameOf(row)} for the last time, by ${copies.writerOf(copy.headers)}`
          violation('old-after-new', who)
        }
      }
    }
  }

  const checkRow = (row: InMemoryOutboxRow, own: readonly InboundRecord[]): void => {
    const before = givenUp.get(row.id)
    if (before !== undefined) {
      const late = own.slice(before).filter(({ headers }) => fenced || !copies.wasStandingStill(headers))
      if (late.length > 0) violation('sent-though-discarded', nameOf(row))
      return
    }
    if (own.length === 0) violation('lost', `${nameOf(row)} was committed, and is not on the log`)
    if (calm && own.length > 1) violation('doubled', `${nameOf(row)}, ${own.length} times, and nothing had failed`)
    for (const copy of own) if (!sameBytes(row.value, copy.value)) violation('garbled', nameOf(row))
  }

  return {
    get committed() {
      return rows.size
    },
    discarded(gone) {
      for (const row of gone) givenUp.set(row.id, copiesOf(row.topic).get(row.id)?.length ?? 0)
    },
    checkAside() {
      const parked = new Map<string, bigint>()
      for (const row of database.rows()) {
        if (row.state === 'parked' && row.key !== null && !parked.has(keyOf(row))) parked.set(keyOf(row), row.rowId)
        if (row.state !== 'behind') continue
        const before = parked.get(keyOf(row))
        if (before === undefined) violation('stranded', `${nameOf(row)} waits behind nothing`)
      }
    },
    checkLog(topics) {
      const found = new Map(topics.map((topic) => [topic, copiesOf(topic)]))
      for (const of of found.values()) {
        for (const id of of.keys()) if (!rows.has(id)) violation('never-committed', `${id} is on the log`)
      }
      const keys = new Map<string, InMemoryOutboxRow[]>()
      for (const row of [...rows.values()].toSorted((one, other) => (one.rowId < other.rowId ? -1 : 1))) {
        checkRow(row, found.get(row.topic)?.get(row.id) ?? [])
        if (row.key !== null) keys.set(keyOf(row), [...(keys.get(keyOf(row)) ?? []), row])
      }
      for (const ofKey of keys.values()) checkKey(ofKey, found.get(ofKey[0]!.topic) ?? new Map())
    },
  }
}

function nameOf({ topic, key, id, rowId }: InMemoryOutboxRow): string {
  return `${topic}/${key === null ? '' : Buffer.from(key).toString()} ${id} (row ${rowId})`
}

function keyOf({ topic, key }: InMemoryOutboxRow): string {
  return `${topic}/${Buffer.from(key!).toString()}`
}

function sameBytes(one: Uint8Array | null, other: Uint8Array | null): boolean {
  return one === null || other === null ? one === other : Buffer.compare(one, other) === 0
}
