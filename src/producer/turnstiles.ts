import type { PendingSend } from './pending-send.ts'

/**
 * Keeps the sends of a topic in the order in which they were called, also when an asynchronous validator answers the second one
 * first: without it the order of a key would be the order in which validators finish.
 */
export interface Turnstiles {
  /** The send stands in line. `pass` is called when it is ready and nobody stands before it. */
  enter(send: PendingSend, pass: (send: PendingSend) => void): void
  ready(send: PendingSend): void
  /** It ended before its turn, or after. */
  left(send: PendingSend): void
}

/** Makes {@link Turnstiles}. */
export function createTurnstiles(): Turnstiles {
  const lines = new Map<string, Place[]>()
  // Nearly always a send is ready in the call that entered it, and nobody stands before it: then it needs no line.
  let newest: Place | undefined

  const settleNewest = (): void => {
    if (newest === undefined) return
    const place = newest
    newest = undefined
    const line = lines.get(place.send.topic)
    if (line === undefined) lines.set(place.send.topic, [place])
    else line.push(place)
  }

  const advance = (topic: string): void => {
    const line = lines.get(topic)
    if (line === undefined) return
    while (line.length > 0 && (line[0]!.isReady || line[0]!.send.isOver)) {
      const { send, pass } = line.shift()!
      if (!send.isOver) pass(send)
    }
    if (line.length === 0 && lines.get(topic) === line) lines.delete(topic)
  }

  return {
    enter(send, pass) {
      settleNewest()
      newest = { send, pass, isReady: false }
    },
    ready(send) {
      if (newest?.send === send && !lines.has(send.topic)) {
        const { pass } = newest
        newest = undefined
        return pass(send)
      }
      settleNewest()
      const place = lines.get(send.topic)?.find((each) => each.send === send)
      if (place === undefined) return
      place.isReady = true
      advance(send.topic)
    },
    left(send) {
      if (newest?.send === send) newest = undefined
      else if (lines.has(send.topic)) advance(send.topic)
    },
  }
}

interface Place {
  readonly send: PendingSend
  readonly pass: (send: PendingSend) => void
  isReady: boolean
}
