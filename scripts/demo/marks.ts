import { createHash } from 'node:crypto'
import type { Duty } from './duties.ts'

/** A mark of an inbox: this service has handled a message. */
export interface Mark {
  readonly service: string
  /** The SHA-256, in hex, that stands for the message: see {@link markId}. */
  readonly id: string
}

/** An event, or the work that was done for one. */
interface Known {
  readonly topic: string
  readonly eventId: string
}

/** What an inbox knows a message by: its group, its handler (which is its topic) and its own id. Written down apart from Holdfast's code on purpose. */
export function markId(service: string, { topic, eventId }: Known): string {
  return createHash('sha256')
    .update(JSON.stringify([service, topic, eventId]))
    .digest('hex')
}

/**
 * What an inbox promises: an effect and its mark are there together, or neither is. An event that is none of the service's business is
 * marked too, without an effect.
 *
 * @param withInbox - the services that have one
 */
export function unmarked(
  withInbox: ReadonlySet<string>,
  marks: readonly Mark[],
  effects: ReadonlyArray<Known & { readonly service: string }>,
  events: ReadonlyArray<Known & { readonly type: string }>,
  duties: readonly Duty[],
): readonly string[] {
  const made = new Set(marks.map(({ service, id }) => `${service} ${id}`))
  const isMarked = (service: string, known: Known): boolean => made.has(`${service} ${markId(service, known)}`)
  const done = new Set(effects.map(({ service, topic, eventId }) => `${service} ${topic} ${eventId}`))
  const own = duties.filter(({ service }) => withInbox.has(service))

  const withoutMark = effects
    .filter(({ service }) => withInbox.has(service))
    .filter((effect) => !isMarked(effect.service, effect))
    .map(({ service, eventId }) => `${service} did its work for ${eventId}, and has no mark of it`)
  const withoutEffect = own.flatMap(({ service, topic, types }) =>
    events
      .filter((event) => event.topic === topic && types.includes(event.type))
      .filter((event) => isMarked(service, event) && !done.has(`${service} ${topic} ${event.eventId}`))
      .map(({ eventId }) => `${service} has marked ${eventId}, and not done its work`),
  )
  const services = new Set(own.map(({ service }) => service))
  const known = new Set(
    [...services].flatMap((service) => {
      const topics = new Set(own.filter((duty) => duty.service === service).map(({ topic }) => topic))
      return events.filter(({ topic }) => topics.has(topic)).map((event) => `${service} ${markId(service, event)}`)
    }),
  )
  const ofNothing = marks
    .filter(({ service, id }) => !known.has(`${service} ${id}`))
    .map(({ service, id }) => `${service} has a mark of nothing that is on the log: ${id}`)
  return [...withoutMark, ...withoutEffect, ...ofNothing]
}
