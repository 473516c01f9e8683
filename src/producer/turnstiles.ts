import type { PendingSend } from './pending-send.ts'

/**
 * Keeps the sends of a topic in the order in which they were called, also when an asynchronous validator answers the second one
 * first: without it the order of a key would be the order in which validators finish.
 */
export interface Turnstiles {
  /** The send stands in line; `pass` is called when it is prepared and nobody stands before it: at once where that is so. */
  enter(send: PendingSend, pass: () => void): void
  /** A send of this topic was prepared, or ended. */
  moved(topic: string): void
}

/** Makes {@link Turnstiles}. */
export function createTurnstiles(): Turnstiles {
  const lines = new Map<string, Array<{ readonly send: PendingSend; readonly pass: () => void }>>()
  return {
    enter(send, pass) {
      const line = lines.get(send.topic)
      if (line !== undefined) line.push({ send, pass })
      else if (send.isPrepared) pass()
      else lines.set(send.topic, [{ send, pass }])
    },
    moved(topic) {
      const line = lines.get(topic)
      if (line === undefined) return
      while (line.length > 0 && (line[0]!.send.isPrepared || line[0]!.send.isOver)) {
        const { send, pass } = line.shift()!
        if (!send.isOver) pass()
      }
      // What fails in passing comes back here: then the line may be gone already, or be another one.
      if (line.length === 0 && lines.get(topic) === line) lines.delete(topic)
    },
  }
}
