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
 * @throws HOLDFAST_STORE_UNAVAILABLE for anything else: the row was written by a later version, or by somebody else.
 */
export function decodeHeaders(bytes: Uint8Array): Headers {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (buffer[0] !== FORMAT) throw unreadable()
  const reading: Reading = { buffer, at: 1 }
  const headers: Header[] = []
  while (reading.at < buffer.length) {
    const name = readBytes(reading, readLength(reading)).toString('utf8')
    const length = readLength(reading)
    headers.push([name, length === 0 ? null : readBytes(reading, length - 1)])
  }
  return headers
}

const FORMAT = 1
const MOST_LENGTH_BYTES = 5

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
  for (let i = 0; i < MOST_LENGTH_BYTES; i++) {
    const byte = reading.buffer[reading.at++]
    if (byte === undefined) throw unreadable()
    length += (byte & 0x7f) * 0x80 ** i
    if (byte < 0x80) return length
  }
  throw unreadable()
}

function readBytes(reading: Reading, length: number): Buffer {
  const end = reading.at + length
  if (end > reading.buffer.length) throw unreadable()
  const bytes = reading.buffer.subarray(reading.at, end)
  reading.at = end
  return bytes
}

function unreadable(): HoldfastError {
  return new HoldfastError(
    'HOLDFAST_STORE_UNAVAILABLE',
    'the headers of a row of the outbox are not as this version writes them',
  )
}
