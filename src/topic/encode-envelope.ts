import { types } from 'node:util'
import type { Clock, Ids } from '../clock/index.ts'
import type { Problem } from '../errors/index.ts'
import { describeForeignError } from '../errors/index.ts'
import type { Header } from '../record/index.ts'
import { MESSAGE_HEADERS, textHeader } from '../record/index.ts'
import { appendHeaders } from './encode-headers.ts'
import type { MessageOptions } from './message-options.ts'

/** What an encoder takes from its surroundings. */
export interface EncodingSurroundings {
  readonly ids: Ids
  readonly clock: Pick<Clock, 'now'>
  /** Names the service: the `holdfast-source` header. Made once, with {@link sourceHeader}. */
  readonly source: Header
  /** Can a header be null on the way it will go? A driver's `nullHeaderValue`. */
  readonly nullHeaderValue: boolean
}

/** All of a message but its key and its value, in its final bytes, and what is wrong with it. */
export interface Envelope {
  readonly id: string
  readonly headers: readonly Header[]
  /** Milliseconds since the epoch. */
  readonly timestamp: bigint
  readonly partition: number | undefined
  /** Where there are any, nothing else here may be used. */
  readonly problems: readonly Problem[]
}

/** The header that names the service. */
export function sourceHeader(source: string): Header {
  return textHeader(MESSAGE_HEADERS.source, source)
}

/**
 * Reads the options of a message, each of them once. Called before any validator runs: what a caller changes while a slow one
 * does is not sent. Never throws, whatever the options are and do.
 */
export function encodeEnvelope(
  options: unknown,
  contentType: Header | undefined,
  surroundings: EncodingSurroundings,
): Envelope {
  if (typeof options !== 'object' || options === null) return unreadable('must be an object')
  try {
    return envelopeOf(options, contentType, surroundings)
  } catch (error) {
    return unreadable(`cannot be read: ${describeForeignError(error)}`)
  }
}

function envelopeOf(
  { id: givenId, headers: givenHeaders, timestamp: givenTime, partition }: MessageOptions,
  contentType: Header | undefined,
  { ids, clock, source, nullHeaderValue }: EncodingSurroundings,
): Envelope {
  const problems: Problem[] = []
  const id = givenId === undefined ? ids() : checkId(givenId, problems)
  const users = givenHeaders === undefined ? NONE : userHeaders(givenHeaders, nullHeaderValue, problems)
  const timestamp = givenTime === undefined ? BigInt(Math.floor(clock.now())) : checkTimestamp(givenTime, problems)
  if (partition !== undefined && !(Number.isInteger(partition) && partition >= 0 && partition <= MAX_INT32)) {
    problems.push({ path: '(partition)', message: 'must be an integer of 0 to 2^31 - 1' })
  }
  const headers: Header[] = [
    [MESSAGE_HEADERS.id, Buffer.from(id, 'utf8')],
    source,
    [MESSAGE_HEADERS.time, Buffer.from(timestamp.toString(), 'latin1')],
  ]
  const isTypedByUser = users.some(([name]) => name === MESSAGE_HEADERS.contentType)
  if (contentType !== undefined && !isTypedByUser) headers.push(contentType)
  for (const header of users) headers.push(header)
  return { id, headers, timestamp, partition, problems }
}

function userHeaders(given: unknown, nullValues: boolean, problems: Problem[]): readonly Header[] {
  const headers: Header[] = []
  try {
    appendHeaders(given, nullValues, headers, problems)
  } catch (error) {
    problems.push({ path: '(headers)', message: `cannot be read: ${describeForeignError(error)}` })
  }
  return headers
}

function unreadable(message: string): Envelope {
  return { id: '', headers: NONE, timestamp: 0n, partition: undefined, problems: [{ path: '(options)', message }] }
}

function checkId(id: unknown, problems: Problem[]): string {
  if (typeof id === 'string' && id !== '' && id.length <= 200 && id.isWellFormed()) return id
  problems.push({ path: '(id)', message: 'must be well-formed text of 1 to 200 characters' })
  return ''
}

function checkTimestamp(timestamp: unknown, problems: Problem[]): bigint {
  const plain: unknown = types.isDate(timestamp) ? timestamp.getTime() : timestamp
  if (typeof plain === 'number' && Number.isSafeInteger(plain) && plain >= 0) return BigInt(plain)
  if (typeof plain === 'bigint' && plain >= 0n && plain <= LAST_TIMESTAMP) return plain
  const message = 'must be an integer of 0 to 2^53 - 1: milliseconds since the epoch'
  problems.push({ path: '(timestamp)', message })
  return 0n
}

const NONE: readonly Header[] = []
const MAX_INT32 = 2 ** 31 - 1
const LAST_TIMESTAMP = BigInt(Number.MAX_SAFE_INTEGER) // kafkajs computes with numbers: a later one would be another time on the log
