import { describeForLog } from '../errors/index.ts'
import type { Logger } from '../logger/index.ts'

type Listener<Event> = (event: Event) => void

/** Tells listeners what happens. `All` has for each name what its listeners are told. */
export interface Events<All extends object> {
  listen<Name extends keyof All>(name: Name, listener: Listener<All[Name]>): () => void
  /** Is anybody listening? Spares the making of an event for every record. */
  heard(name: keyof All): boolean
  /** Never throws: a listener that does is logged, and the next one called. */
  emit<Name extends keyof All>(name: Name, event: All[Name]): void
}

/** Makes {@link Events} that nobody listens to. */
export function createEvents<All extends object>(logger: Logger): Events<All> {
  const listeners = new Map<keyof All, Set<unknown>>()
  const of = <Name extends keyof All>(name: Name): Set<Listener<All[Name]>> => {
    let known = listeners.get(name)
    if (known === undefined) listeners.set(name, (known = new Set()))
    return known as Set<Listener<All[Name]>>
  }

  return {
    listen(name, listener) {
      const own: typeof listener = (event) => listener(event) // so that the same function can listen twice, and end once
      of(name).add(own)
      return () => void of(name).delete(own)
    },
    heard: (name) => (listeners.get(name)?.size ?? 0) > 0,
    emit(name, event) {
      for (const listener of Array.from(of(name))) {
        try {
          listener(event)
        } catch (thrown) {
          logger.error(
            { event: String(name), error: describeForLog(thrown) },
            'a listener threw; nothing changes for the records',
          )
        }
      }
    },
  }
}
