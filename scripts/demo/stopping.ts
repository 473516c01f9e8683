/** What is awaited, or the reason why the demo is stopped before it comes. */
export async function orStopped<T>(work: Promise<T>, stop: AbortSignal): Promise<T> {
  stop.throwIfAborted()
  const { promise, reject } = rejectable()
  const onAbort = (): void => reject(stop.reason)
  stop.addEventListener('abort', onAbort)
  try {
    return await Promise.race([work, promise])
  } finally {
    stop.removeEventListener('abort', onAbort)
  }
}

function rejectable(): { readonly promise: Promise<never>; readonly reject: (reason: unknown) => void } {
  let reject!: (reason: unknown) => void
  const promise = new Promise<never>((_, rejectIt) => (reject = rejectIt))
  return { promise, reject }
}
