import { HoldfastError } from '../../errors/index.ts'
import type { WaitingRow } from '../relay-store.ts'
import type { HeaderNames } from './header-bytes.ts'
import { decodeHeaders } from './header-bytes.ts'

/** How many columns a packed row has. */
const COLUMNS = 9
const COLUMN_HEAD = 8 // the type's id and the length, of 4 bytes each

/**
 * Reads a row as PostgreSQL's `record_send` writes it: the number of columns, then for each its type, its length (−1: null) and its bytes. Keys,
 * values and headers are parts of the bytes given, not copies.
 *
 * @param packed - a Buffer or Uint8Array, or the text that a client makes of one when it is told to leave bytea alone.
 * @param names - of the headers of the rows before.
 */
export function unpackRow(packed: unknown, names?: HeaderNames): WaitingRow {
  const bytes = bytesOf(packed)
  if (bytes.length < 4 || bytes.readInt32BE(0) !== COLUMNS) throw unreadable()
  let at = 4
  let end = 4
  const next = (): boolean => {
    const length = bytes.readInt32BE(end + 4)
    at = end + COLUMN_HEAD
    end = at + Math.max(0, length)
    return length >= 0
  }
  next()
  const bucket = bytes.readInt16BE(at)
  next()
  const rowId = bytes.readBigInt64BE(at)
  next()
  const timestamp = bytes.readBigInt64BE(at)
  const partition = next() ? bytes.readInt32BE(at) : null
  next()
  const id = bytes.toString('utf8', at, end)
  next()
  const topic = bytes.toString('latin1', at, end)
  const key = next() ? bytes.subarray(at, end) : null
  next()
  const headers = decodeHeaders(bytes.subarray(at, end), names)
  const value = next() ? bytes.subarray(at, end) : null
  if (end !== bytes.length) throw unreadable()
  const row = { bucket, rowId, id, topic, key, value, headers, timestamp }
  return partition === null ? row : { ...row, partition }
}

/** Bytes of the database, whichever client brings them. */
export function bytesOf(given: unknown): Buffer {
  if (Buffer.isBuffer(given)) return given
  if (given instanceof Uint8Array) return Buffer.from(given.buffer, given.byteOffset, given.length)
  if (typeof given === 'string' && given.startsWith('\\x')) return Buffer.from(given.slice(2), 'hex')
  throw unreadable()
}

function unreadable(): HoldfastError {
  return new HoldfastError('HOLDFAST_STORE_UNAVAILABLE', 'a row of the outbox is not as this version writes it')
}
