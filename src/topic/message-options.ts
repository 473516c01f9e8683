/** What may be said about one message beside its value. */
export interface MessageOptions {
  /**
   * The message's id, in its `holdfast-id` header; consumers recognise duplicates by it. Non-empty text of 1 to 200 characters.
   *
   * Without it each call is a new event with an id of its own: calling `send` again after a failure whose outcome was unknown
   * makes a second event that no consumer can tell from a first. Give the id of the business event where a call may be repeated.
   *
   * @defaultValue a new UUIDv7
   */
  readonly id?: string
  /**
   * Further headers, sent as they are, after our own. Names that begin with `holdfast-` are refused; a `content-type` or
   * `traceparent` given here stands in place of ours.
   */
  readonly headers?: MessageHeaders
  /** The partition, instead of the partitioner's. Same key, other partition: order is then yours to keep. 0 to 2^31 − 1. */
  readonly partition?: number
  /**
   * When the event happened, in milliseconds since the epoch; an integer of 0 to 2^53 − 1, since kafkajs computes with numbers. It is
   * the record's timestamp and, for topics whose broker puts its own there, the `holdfast-time` header.
   *
   * @defaultValue the moment of the call
   */
  readonly timestamp?: number | bigint | Date
}

/** Headers as users write them: a list keeps order and repeated names; an object is a shorthand. */
export type MessageHeaders =
  | ReadonlyArray<readonly [name: string, value: string | Uint8Array | null]>
  | Readonly<Record<string, string | Uint8Array>>
