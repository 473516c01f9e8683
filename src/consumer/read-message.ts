import type { InboundRecord } from '../record/index.ts'
import { headerText, MESSAGE_HEADERS } from '../record/index.ts'
import type { Delivery } from './delivery.ts'
import type { Message } from './message.ts'

/** A message as its handler gets it. What its headers say is read when it is asked for: most handlers want the value alone. */
export class ReadMessage implements Message<unknown> {
  readonly value: unknown
  readonly #delivery: Delivery

  constructor(delivery: Delivery, value: unknown) {
    this.#delivery = delivery
    this.value = value
  }

  get id(): string {
    return this.#delivery.messageId
  }

  get source(): string | undefined {
    return headerText(this.#delivery.record.headers, MESSAGE_HEADERS.source)
  }

  get time(): Date {
    return new Date(timeOf(this.#delivery.record)) // oxlint-disable-line no-restricted-globals -- the record's own time
  }

  /** All of it, for logs and copies: the getters of a class are not copied by a spread. */
  toJSON(): Message<unknown> {
    const { id, source, time, value } = this
    return { id, source, time, value }
  }
}

/** What the message says itself: where a topic has LogAppendTime, the record's timestamp is the broker's. */
function timeOf({ headers, timestamp }: InboundRecord): number {
  const said = headerText(headers, MESSAGE_HEADERS.time)
  const time = said !== undefined && /^\d{1,16}$/.test(said) ? Number(said) : Infinity
  return time <= LAST_DATE ? time : Number(timestamp)
}

const LAST_DATE = 8_640_000_000_000_000 // the last moment that a Date can hold, in the year 275760
