import type { Header, InboundRecord } from '../record/index.ts'

/** What a record holds in memory: its key, value and headers, in bytes. */
export function recordBytes(record: InboundRecord): number {
  if (record.byteLength !== undefined) return record.byteLength
  const { key, value, headers } = record
  let bytes = (key?.byteLength ?? 0) + (value?.byteLength ?? 0)
  for (const [name, header] of headers) bytes += name.length + (header?.byteLength ?? 0)
  return bytes
}

/**
 * The same record on bytes of its own. What drivers hand over are views on whatever the record came in, a response of many records: one
 * that has to wait would keep all of that in memory, and no bound would know.
 */
export function detached(record: InboundRecord): InboundRecord {
  const { topic, partition, offset, key, value, headers, timestamp } = record // by name: a driver's may be getters
  return {
    topic,
    partition,
    offset,
    timestamp,
    key: key && Buffer.from(key),
    value: value && Buffer.from(value),
    headers: headers.map(([name, bytes]): Header => [name, bytes && Buffer.from(bytes)]),
  }
}
