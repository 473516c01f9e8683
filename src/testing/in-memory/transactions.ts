import type { Clock, Timer } from '../../clock/index.ts'
import type { PartitionLog, TransactionFate } from './partition-log.ts'
import { refusals } from './refusals.ts'

/** A transaction under way at its coordinator. */
export interface OpenTransaction {
  readonly fate: TransactionFate
  readonly touched: Set<PartitionLog>
}

/** Keeps transactional ids, their epochs and their one open transaction each. */
export interface TransactionCoordinator {
  /** A new epoch of the id: rolls back what an older producer left open, and fences it. */
  initialise(transactionalId: string): number
  /**
   * Opens a transaction, which is rolled back by itself after `timeoutMs`.
   *
   * @throws HOLDFAST_FENCED when the epoch is an old one.
   */
  begin(transactionalId: string, epoch: number, timeoutMs: number): OpenTransaction
  /** @throws HOLDFAST_FENCED; HOLDFAST_TRANSACTION_ABORTED when it was rolled back meanwhile. */
  check(transactionalId: string, epoch: number, transaction: OpenTransaction): void
  /** Decides a transaction and writes its markers. */
  end(transactionalId: string, transaction: OpenTransaction, status: 'committed' | 'aborted'): void
}

interface IdState {
  epoch: number
  open: { readonly transaction: OpenTransaction; readonly expiry: Timer } | null
}

/** Makes a coordinator that knows no id yet. */
export function createTransactionCoordinator(clock: () => Clock): TransactionCoordinator {
  const ids = new Map<string, IdState>()

  const end = (transactionalId: string, transaction: OpenTransaction, status: 'committed' | 'aborted'): void => {
    const state = ids.get(transactionalId)
    if (state?.open?.transaction !== transaction) return
    state.open.expiry.cancel()
    state.open = null
    transaction.fate.status = status // before the first marker: every partition shows it in the same moment
    for (const log of transaction.touched) log.appendMarker(transaction.fate)
  }

  const fence = (transactionalId: string, epoch: number): IdState => {
    const state = ids.get(transactionalId)
    if (state?.epoch !== epoch) throw refusals.fenced(transactionalId)
    return state
  }

  return {
    initialise(transactionalId) {
      const state = ids.get(transactionalId) ?? { epoch: -1, open: null }
      ids.set(transactionalId, state)
      if (state.open !== null) end(transactionalId, state.open.transaction, 'aborted')
      return ++state.epoch
    },
    begin(transactionalId, epoch, timeoutMs) {
      const state = fence(transactionalId, epoch)
      const transaction: OpenTransaction = { fate: { status: 'open' }, touched: new Set() }
      const expiry = clock().after(timeoutMs, () => end(transactionalId, transaction, 'aborted'))
      state.open = { transaction, expiry }
      return transaction
    },
    check(transactionalId, epoch, transaction) {
      fence(transactionalId, epoch)
      if (transaction.fate.status !== 'open') throw refusals.transactionAborted(transactionalId)
    },
    end,
  }
}
