import { headerText } from '../../../src/record/index.ts'
import type { SimulatedProcess, Simulation } from '../../../src/testing/simulation/index.ts'

/** What became of a transaction, as its caller heard it; `unknown`: all of it may be visible, or none. */
export type TransactionEnd = 'committed' | 'rolled-back' | 'unknown'

/** One transaction that was begun. */
export interface TransactionEntry {
  /** Takes note of one more message; its id. */
  add(topic: string): string
  end(how: TransactionEnd, code?: string): void
}

/** All transactions, and what became of them. */
export interface TransactionLedger {
  open(process: SimulatedProcess): TransactionEntry
  /** Has each ended, but for those of processes that were killed? */
  allEnded(): boolean
  /** Each is visible as its caller heard; never a part of one, and the keys of a producer keep their order. */
  check(topics: readonly string[]): void
}

interface Entry {
  readonly process: SimulatedProcess
  readonly ids: string[]
  how: TransactionEnd | null
}

/** Makes a {@link TransactionLedger}. */
export function createTransactionLedger(simulation: Simulation): TransactionLedger {
  const { cluster, note, violation } = simulation
  const entries: Entry[] = []
  let messages = 0

  const checkOne = ({ process, ids, how }: Entry, number: number, seen: ReadonlyMap<string, number>): void => {
    const visible = ids.filter((id) => seen.has(id)).length
    const what = `transaction ${number} of ${process.name}, ${how ?? 'cut short'}: ${visible} of ${ids.length} are visible`
    const isWhole = visible === 0 || visible === ids.length
    if (!isWhole) violation('torn', what)
    else if (how === 'committed' && visible < ids.length) violation('lost', what)
    else if (how === 'rolled-back' && visible > 0) violation('aborted-read', what)
    for (const id of ids) if ((seen.get(id) ?? 0) > 1) violation('doubled', `${id} of ${what}`)
  }

  return {
    open(process) {
      const entry: Entry = { process, ids: [], how: null }
      entries.push(entry)
      note(`${process.name} begins transaction ${entries.length - 1}`)
      return {
        add(topic) {
          const id = `m-${messages++}`
          note(`${process.name} sends ${id} to ${topic}`)
          entry.ids.push(id)
          return id
        },
        end(how, code = '') {
          note(`${process.name} ends transaction ${entries.indexOf(entry)}: ${how} ${code}`)
          entry.how = how
        },
      }
    },
    allEnded: () => entries.every(({ process, how }) => how !== null || process.state === 'killed'),
    check(topics) {
      const seen = new Map<string, number>()
      const last = new Map<string, number>() // of each producer, partition and key, the last message
      const owner = new Map(entries.flatMap(({ process, ids }) => ids.map((id) => [id, process.name] as const)))
      for (const { topic, partition, key, headers } of topics.flatMap((each) => cluster.records(each))) {
        const id = headerText(headers, 'holdfast-id') ?? ''
        seen.set(id, (seen.get(id) ?? 0) + 1)
        const lane = `${owner.get(id)} ${topic}[${partition}]/${key === null ? '' : Buffer.from(key).toString()}`
        const number = Number(id.slice(2))
        if (number < (last.get(lane) ?? -1)) violation('out-of-order', `${id} of ${lane} stands behind a later one`)
        last.set(lane, number)
      }
      for (const [number, entry] of entries.entries()) checkOne(entry, number, seen)
    },
  }
}
