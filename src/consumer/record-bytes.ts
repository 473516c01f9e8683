import type { InboundRecord } from '../record/index.ts'

/** What a record holds in memory: its key, value and headers, in bytes. */
export function recordBytes({ key, value, headers }: InboundRecord): number {
  let bytes = (key?.byteLength ?? 0) + (value?.byteLength ?? 0)
  for (const [name, header] of headers) bytes += name.length + (header?.byteLength ?? 0)
  return bytes
}
