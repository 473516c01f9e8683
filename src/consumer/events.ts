import { describeForLog } from '../errors/index.ts'
import type { Logger } from '../logger/index.ts'
import type { ConsumerEvents } from './consumer.ts'

type Listener<Name extends keyof ConsumerEvents> = (event: ConsumerEvents[Name]) => void

/** Tells listeners what happens. */
export interface Events {
  listen<Name extends keyof ConsumerEvents>(name: Name, listener: Listener<Name>): () => void
  /** Is anybody listening? Spares the making of an event for every record. */
  heard(name: keyof ConsumerEvents): boolean
  /** Never throws: a listener that does is logged, and the next one called. */
  emit<Name extends keyof ConsumerEvents>(name: Name, event: ConsumerEvents[Name]): void
}

/** Makes {@link Events} that nobody listens to. */
export function createEvents(logger: Logger): Events {
  const listeners: { [Name in keyof ConsumerEvents]?: Set<Listener<Name>> } = {}
  const of = <Name extends keyof ConsumerEvents>(name: Name): Set<Listener<Name>> => {
    const known: Set<Listener<Name>> | undefined = listeners[name]
    if (known !== undefined) return known
    const fresh = new Set<Listener<Name>>()
    ;(listeners as Record<Name, Set<Listener<Name>>>)[name] = fresh
    return fresh
  }

  return {
    listen(name, listener) {
      const own: typeof listener = (event) => listener(event) // so that the same function can listen twice, and end once
      of(name).add(own)
      return () => void of(name).delete(own)
    },
    heard: (name) => (listeners[name]?.size ?? 0) > 0,
    emit(name, event) {
      for (const listener of Array.from(of(name))) {
        try {
          listener(event)
        } catch (thrown) {
          logger.error(
            { event: name, error: describeForLog(thrown) },
            'a listener threw; nothing changes for the records',
          )
        }
      }
    },
  }
}
