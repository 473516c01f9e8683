import { createHash } from 'node:crypto'
import type { HeaderEntry } from './run-data.ts'

/** Tells whether bytes are the same without keeping them: payloads do not enter reports. Null and empty differ. */
export function digestOf(bytes: Uint8Array | string | null): string {
  return bytes === null ? 'null' : createHash('sha256').update(bytes).digest('base64url')
}

/** Of a list of headers: order, repeated names, null and empty values all count. */
export function digestOfHeaders(headers: readonly HeaderEntry[]): string {
  return digestOf(headers.map(([name, value]) => `${digestOf(name)} ${digestOf(value)}`).join('\n'))
}
