/** How many messages may be in handlers at a time. Who waits between attempts, or for a store, holds none. */
export interface Slots {
  /**
   * Takes a slot: at once (undefined), or when one is free, first come first served.
   *
   * @throws (rejects with) the signal's reason as soon as it aborts; no slot is held then.
   */
  enter(signal: AbortSignal): Promise<void> | undefined
  /** Gives it back. */
  leave(): void
}

/** Makes {@link Slots}. */
export function createSlots(limit: number): Slots {
  const waiting = new Set<() => void>()
  let free = limit

  return {
    enter(signal) {
      if (free > 0) {
        free--
        return undefined
      }
      return new Promise((resolve, reject) => {
        if (signal.aborted) {
          reject(signal.reason as Error)
          return
        }
        const proceed = (): void => {
          signal.removeEventListener('abort', giveUp)
          resolve()
        }
        const giveUp = (): void => {
          waiting.delete(proceed)
          reject(signal.reason as Error)
        }
        waiting.add(proceed)
        signal.addEventListener('abort', giveUp, { once: true })
      })
    },
    leave() {
      const [next] = waiting
      if (next === undefined) {
        free++
        return
      }
      waiting.delete(next) // the slot passes on without becoming free, so that nobody overtakes
      next()
    },
  }
}
