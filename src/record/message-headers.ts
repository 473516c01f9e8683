/** The headers that every message carries, in UTF-8 text. */
export const MESSAGE_HEADERS = {
  /** The message's id: what makes a redelivery recognisable. */
  id: 'holdfast-id',
  /** The service that sent it. */
  source: 'holdfast-source',
  /** The codec's media type. */
  contentType: 'content-type',
} as const

/** Names that begin so are ours: refused in what users send. */
export const RESERVED_PREFIX = 'holdfast-'
