/** The headers that every message carries, in UTF-8 text; a tombstone has no content type. */
export const MESSAGE_HEADERS = {
  /** The message's id: what makes a redelivery recognisable. */
  id: 'holdfast-id',
  /** The service that sent it. */
  source: 'holdfast-source',
  /**
   * When the event happened: decimal milliseconds since the epoch. The record's timestamp says the same, unless its topic has
   * `message.timestamp.type=LogAppendTime`: there the broker overwrites it.
   */
  time: 'holdfast-time',
  /** The codec's media type. */
  contentType: 'content-type',
} as const

/** Names that begin so are ours: refused in what users send. */
export const RESERVED_PREFIX = 'holdfast-'
