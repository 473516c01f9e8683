import type { EventOf, HistoryEvent } from '../history/index.ts'

/** One value on its way to the log. `open`: the process ended before it knew. */
export interface Produce {
  readonly invoke: EventOf<'produce-invoke'>
  /** How often it was sent; more than once where the scenario repeats a message on purpose. */
  times: number
  outcome: 'ok' | 'fail' | 'info' | 'open'
  /** What ended it. */
  end: EventOf<'produce-ok' | 'produce-fail' | 'produce-info'> | undefined
}

/** `open` and `info` may have been committed or not. */
export type TransactionState = 'open' | 'committed' | 'aborted' | 'info'

export interface Transaction {
  readonly txn: string
  readonly produces: Produce[]
  state: TransactionState
  endedAt: number
}

export interface Produces {
  readonly byValue: ReadonlyMap<string, Produce>
  readonly transactions: ReadonlyMap<string, Transaction>
  /** Was it promised to be there? Acknowledged, and its transaction, if any, committed. */
  isAcknowledged(produce: Produce): boolean
  /** Is it certain that no reader may see it? */
  isRuledOut(produce: Produce): boolean
}

/** Pairs invocations with their ends. */
export function pairProduces(events: readonly HistoryEvent[]): Produces {
  const byValue = new Map<string, Produce>()
  const transactions = new Map<string, Transaction>()
  const transactionOf = (txn: string, at: number): Transaction => {
    let known = transactions.get(txn)
    if (known === undefined) transactions.set(txn, (known = { txn, produces: [], state: 'open', endedAt: at }))
    return known
  }
  for (const event of events) {
    switch (event.f) {
      case 'produce-invoke': {
        const before = byValue.get(event.value)
        if (before !== undefined) {
          before.times += 1
          break
        }
        const produce: Produce = { invoke: event, times: 1, outcome: 'open', end: undefined }
        byValue.set(event.value, produce)
        if (event.txn !== undefined) transactionOf(event.txn, event.t).produces.push(produce)
        break
      }
      case 'produce-ok':
      case 'produce-fail':
      case 'produce-info': {
        const produce = byValue.get(event.value)
        if (produce === undefined) throw new Error(`${event.proc}:${event.i} ends a send that never began`)
        if (CERTAINTY.indexOf(OUTCOMES[event.f]) <= CERTAINTY.indexOf(produce.outcome)) break
        produce.end = event
        produce.outcome = OUTCOMES[event.f]
        break
      }
      case 'txn-begin':
      case 'txn-commit':
      case 'txn-abort':
      case 'txn-info': {
        const transaction = transactionOf(event.txn, event.t)
        transaction.state = STATES[event.f]
        transaction.endedAt = event.t
        break
      }
      default:
    }
  }
  const stateOf = ({ invoke }: Produce): TransactionState | 'none' =>
    invoke.txn === undefined ? 'none' : transactions.get(invoke.txn)!.state
  return {
    byValue,
    transactions,
    isAcknowledged: (produce) => produce.outcome === 'ok' && ['none', 'committed'].includes(stateOf(produce)),
    isRuledOut: (produce) => produce.outcome === 'fail' || stateOf(produce) === 'aborted',
  }
}

const OUTCOMES = { 'produce-ok': 'ok', 'produce-fail': 'fail', 'produce-info': 'info' } as const
/** Of several sends the one counts that proves most of what is on the log. */
const CERTAINTY: readonly Produce['outcome'][] = ['open', 'fail', 'info', 'ok']
const STATES = { 'txn-begin': 'open', 'txn-commit': 'committed', 'txn-abort': 'aborted', 'txn-info': 'info' } as const
