/** A gate that is open at first. */
export interface Gate {
  open(): void
  shut(): void
  /** Waits while it is shut, and rejects when the link closes meanwhile. */
  passed(closed: AbortSignal): Promise<void>
}

/** Makes a {@link Gate}. */
export function createGate(): Gate {
  let opened: Promise<void> | undefined
  let release = (): void => undefined
  return {
    open() {
      release()
      opened = undefined
    },
    shut() {
      opened ??= new Promise((resolve) => (release = resolve))
    },
    async passed(closed) {
      while (opened !== undefined) {
        closed.throwIfAborted()
        let stop = (): void => undefined
        const ended = new Promise<void>((resolve) => (stop = resolve))
        closed.addEventListener('abort', stop, { once: true })
        await Promise.race([opened, ended])
        closed.removeEventListener('abort', stop)
      }
      closed.throwIfAborted()
    },
  }
}
