import type { InboundRecord } from '../record/index.ts'
import { formatPosition, headerText, MESSAGE_HEADERS } from '../record/index.ts'

/** The longest id that a producer of ours sends, in UTF-16 units; a longer one is not ours, and no key for a store. */
const MAX_ID_LENGTH = 200

/** The id its producer gave it; null when it gave none that can be used. */
export function ownIdOf(record: InboundRecord): string | null {
  const id = headerText(record.headers, MESSAGE_HEADERS.id)
  return id === undefined || id === '' || id.length > MAX_ID_LENGTH ? null : id
}

/** The id of a record's message: its producer's, else its place. */
export function messageIdOf(record: InboundRecord): string {
  return ownIdOf(record) ?? formatPosition(record)
}
