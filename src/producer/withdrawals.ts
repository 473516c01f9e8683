import type { PendingSend } from './pending-send.ts'

/**
 * Ends sends whose caller's signal aborts. One listener serves all sends of a signal: a signal searches its listeners for each one
 * that is added, and ten thousand sends of one request would take seconds.
 */
export interface Withdrawals {
  watch(send: PendingSend, signal: AbortSignal): void
  forget(send: PendingSend): void
}

/** Makes {@link Withdrawals}. */
export function createWithdrawals(): Withdrawals {
  const bySignal = new Map<AbortSignal, { readonly sends: Set<PendingSend>; readonly stop: () => void }>()
  const bySend = new Map<PendingSend, AbortSignal>()
  return {
    watch(send, signal) {
      if (signal.aborted) return withdraw(send, signal)
      let watched = bySignal.get(signal)
      if (watched === undefined) {
        const sends = new Set<PendingSend>()
        const onAbort = (): void => {
          for (const each of sends) withdraw(each, signal) // each leaves the set on its way
        }
        signal.addEventListener('abort', onAbort)
        watched = { sends, stop: () => signal.removeEventListener('abort', onAbort) }
        bySignal.set(signal, watched)
      }
      watched.sends.add(send)
      bySend.set(send, signal)
    },
    forget(send) {
      const signal = bySend.get(send)
      if (signal === undefined) return
      bySend.delete(send)
      const watched = bySignal.get(signal)!
      watched.sends.delete(send)
      if (watched.sends.size > 0) return
      watched.stop()
      bySignal.delete(signal)
    },
  }
}

function withdraw(send: PendingSend, signal: AbortSignal): void {
  send.giveUp('HOLDFAST_ABORTED', 'was ended by its caller', signal.reason)
}
