import type { OutboundRecord } from './outbound-record.ts'

/**
 * About how many bytes a message takes on the wire, before compression. The broker has the last word; a batch that turns out too
 * large is split.
 */
export function recordSize({ key, value, headers }: Pick<OutboundRecord, 'key' | 'value' | 'headers'>): number {
  let size = RECORD_OVERHEAD + (key?.length ?? 0) + (value?.length ?? 0)
  for (const [name, bytes] of headers) size += HEADER_OVERHEAD + name.length + (bytes?.length ?? 0)
  return size
}

/** What a batch takes beside its records: `DefaultRecordBatch.RECORD_BATCH_OVERHEAD`. */
export const BATCH_OVERHEAD = 61

const RECORD_OVERHEAD = 21 + 5 // `DefaultRecord.MAX_RECORD_OVERHEAD`, and the length before the headers
const HEADER_OVERHEAD = 4 // two lengths of one or two bytes each
