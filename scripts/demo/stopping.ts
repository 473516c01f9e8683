import { setTimeout as sleep } from 'node:timers/promises'

/** What is awaited, or the signal's reason if that comes first. */
export async function orStopped<T>(work: Promise<T>, stop: AbortSignal): Promise<T> {
  stop.throwIfAborted()
  let onAbort!: () => void
  const stopped = new Promise<never>((_, reject) => {
    onAbort = () => reject(stop.reason as Error)
    stop.addEventListener('abort', onAbort)
  })
  try {
    return await Promise.race([work, stopped])
  } finally {
    stop.removeEventListener('abort', onAbort)
  }
}

/** Waits, or rejects with the signal's own reason, which says more than Node's "aborted". */
export async function pause(ms: number, stop: AbortSignal): Promise<void> {
  await orStopped(sleep(ms), stop)
}

/** The signal, or the end of patience: then its reason is an error with the given message. */
export function withPatience(stop: AbortSignal, ms: number, message: string): AbortSignal {
  const patience = new AbortController()
  setTimeout(() => patience.abort(new Error(message)), ms).unref()
  return AbortSignal.any([stop, patience.signal])
}
