import { HoldfastError } from '../../errors/index.ts'
import type { Header, Headers } from '../../record/index.ts'

/**
 * Headers in one column: a byte that says how, then for each header the length of its name, its name in UTF-8, the length of its value and one, and its
 * value; 0 in place of that is a value of null. Lengths have seven bits a byte, the lowest first. Rows in flight outlive a deploy: a later way
 * to write them needs another first byte, and this one has to be read for ever.
 */
export function encodeHeaders(headers: Headers): Buffer {
  let size = 1
  for (const [name, value] of headers) {
    const nameLength = Buffer.byteLength(name)
    size +=
      lengthSize(nameLength) + nameLength + lengthSize(value === null ? 0 : value.length + 1) + (value?.length ?? 0)
  }
  const bytes = Buffer.allocUnsafe(size)
  bytes[0] = FORMAT
  let at = 1
  for (const [name, value] of headers) {
    at = writeLength(bytes, at, Buffer.byteLength(name))
    at += bytes.write(name, at, 'utf8')
    at = writeLength(bytes, at, value === null ? 0 : value.length + 1)
    if (value === null) continue
    bytes.set(value, at)
    at += value.length
  }
  return bytes
}

/**
 * What {@link encodeHeaders} was given. Values are parts of the bytes given, not copies.
 *
 * @param names - the names of the headers before, which are likely to come again.
 * @throws HOLDFAST_STORE_UNAVAILABLE for anything else: the row was written by a later version, or by somebody else.
 */
export function decodeHeaders(bytes: Uint8Array, names: HeaderNames = new HeaderNames()): Headers {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (buffer[0] !== FORMAT) throw unreadable()
  const reading: Reading = { buffer, at: 1 }
  const headers: Header[] = []
  while (reading.at < buffer.length) {
    const nameAt = advance(reading, readLength(reading))
    const name = names.at(headers.length, buffer, nameAt, reading.at)
    const length = readLength(reading)
    if (length === 0) {
      headers.push([name, null])
      continue
    }
    const valueAt = advance(reading, length - 1)
    headers.push([name, buffer.subarray(valueAt, reading.at)])
  }
  return headers
}

/** Remembers the name that stood last in each place: the rows of an outbox have the same few, and to make text of bytes is slow. */
export class HeaderNames {
  readonly #names: { readonly bytes: Uint8Array; readonly text: string }[] = []

  /** The text of these bytes, of the header in this place. */
  at(place: number, buffer: Buffer, begin: number, end: number): string {
    const known = this.#names[place]
    if (known !== undefined && isSame(known.bytes, buffer, begin, end)) return known.text
    const text = buffer.toString('utf8', begin, end)
    if (place < MOST_NAMES) this.#names[place] = { bytes: Uint8Array.prototype.slice.call(buffer, begin, end), text }
    return text
  }
}

function isSame(bytes: Uint8Array, buffer: Buffer, begin: number, end: number): boolean {
  if (bytes.length !== end - begin) return false
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== buffer[begin + i]) return false
  return true
}

const FORMAT = 1
const MOST_LENGTH_BYTES = 5
const MOST_NAMES = 20

interface Reading {
  readonly buffer: Buffer
  at: number
}

function lengthSize(length: number): number {
  let size = 1
  for (let left = length; left > 0x7f; left = Math.floor(left / 0x80)) size++
  return size
}

function writeLength(bytes: Buffer, start: number, length: number): number {
  let at = start
  let left = length
  for (; left > 0x7f; left = Math.floor(left / 0x80)) bytes[at++] = (left % 0x80) | 0x80
  bytes[at++] = left
  return at
}

function readLength(reading: Reading): number {
  let length = 0
  let unit = 1
  for (let i = 0; i < MOST_LENGTH_BYTES; i++) {
    const byte = reading.buffer[reading.at++]
    if (byte === undefined) throw unreadable()
    length += (byte & 0x7f) * unit
    if (byte < 0x80) return length
    unit *= 0x80
  }
  throw unreadable()
}

/** Passes over so many bytes; where they begin. */
function advance(reading: Reading, length: number): number {
  const begin = reading.at
  reading.at += length
  if (reading.at > reading.buffer.length) throw unreadable()
  return begin
}

function unreadable(): HoldfastError {
  return new HoldfastError(
    'HOLDFAST_STORE_UNAVAILABLE',
    'the headers of a row of the outbox are not as this version writes them',
  )
}
