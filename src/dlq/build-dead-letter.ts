import type { Header, Headers, InboundRecord, OutboundRecord } from '../record/index.ts'
import { isOwnTopicHeader, textHeader } from '../record/index.ts'
import { DEAD_LETTER_HEADERS as NAMES } from './dead-letter-headers.ts'
import type { Failure } from './failure.ts'

/** A record to park, and all that its dead letter says about it. */
export interface DeadLetterRequest {
  readonly record: InboundRecord
  readonly failure: Failure
  readonly groupId: string
  readonly messageId: string
  /**
   * Does the record come from a topic that only Holdfast writes? Then the origin it carries is kept. Elsewhere headers of our own
   * topics are somebody's forgery, or a copy of an old dead letter: they are left behind, since on the dead letter topic they would be
   * believed.
   */
  readonly trusted: boolean
  /** Headers that carry the trace on. One that the record has already stays as it is. */
  readonly traceHeaders: Headers
}

/** How much of the error fits: what a broker refuses for its size is tried again with less. */
export type Detail = 'full' | 'no-stack' | 'no-message'

/** Cut above this, in bytes of UTF-8: room for a sentence. */
export const MAX_MESSAGE_BYTES = 1_024
/** Cut above this, in bytes of UTF-8: about eighty frames. */
export const MAX_STACK_BYTES = 8_192
/** Cut above this, in bytes of UTF-8: names, codes and ids are short, unless somebody made them long. */
export const MAX_NAME_BYTES = 256

/**
 * The dead letter of a record: key, value and headers byte for byte, followed by {@link DEAD_LETTER_HEADERS}.
 *
 * Its timestamp is `nowMs` and not the record's own, which is in a header: retention counts from the timestamp, and would delete
 * the letter of an old record as soon as it is written.
 */
export function buildDeadLetter(
  request: DeadLetterRequest,
  target: { readonly topic: string; readonly partition: number; readonly nowMs: number },
  detail: Detail = 'full',
): OutboundRecord {
  const { record } = request
  const own = record.headers.filter(([name]) => !(request.trusted ? LETTER_NAMES.has(name) : isOwnTopicHeader(name)))
  const carried = new Set(own.map(([name]) => name))
  return {
    topic: target.topic,
    partition: target.partition,
    key: record.key,
    value: record.value,
    timestamp: BigInt(Math.trunc(target.nowMs)),
    headers: [
      ...own,
      ...request.traceHeaders.filter(([name]) => !carried.has(name)),
      ...originHeaders(request),
      ...failureHeaders(request, detail),
    ],
  }
}

const LETTER_NAMES: ReadonlySet<string> = new Set(Object.values(NAMES))
const ORIGIN_NAMES: ReadonlySet<string> = new Set([
  NAMES.topic,
  NAMES.partition,
  NAMES.offset,
  NAMES.timestamp,
  NAMES.firstFailedAt,
  NAMES.messageId,
])

/** Where the record stood first. What the first parking wrote outlives every later one. */
function originHeaders({ record, failure, messageId, trusted }: DeadLetterRequest): Header[] {
  const first = trusted ? record.headers.filter(([name, value]) => ORIGIN_NAMES.has(name) && value !== null) : []
  if (first.some(([name]) => name === NAMES.topic)) return first
  return [
    textHeader(NAMES.topic, record.topic),
    textHeader(NAMES.partition, String(record.partition)),
    textHeader(NAMES.offset, String(record.offset)),
    textHeader(NAMES.timestamp, String(record.timestamp)),
    textHeader(NAMES.firstFailedAt, isoTime(failure.firstFailedAt)),
    textHeader(NAMES.messageId, cutUtf8(messageId, MAX_NAME_BYTES)),
  ]
}

function failureHeaders({ failure, groupId }: DeadLetterRequest, detail: Detail): Header[] {
  const { error } = failure
  const headers = [
    textHeader(NAMES.group, groupId),
    textHeader(NAMES.attempts, String(failure.attempts)),
    textHeader(NAMES.lastFailedAt, isoTime(failure.lastFailedAt)),
    textHeader(NAMES.reason, failure.reason),
    textHeader(NAMES.errorClass, cutUtf8(error.name, MAX_NAME_BYTES)),
  ]
  if (error.code !== undefined) headers.push(textHeader(NAMES.errorCode, cutUtf8(error.code, MAX_NAME_BYTES)))
  if (detail !== 'no-message') headers.push(textHeader(NAMES.errorMessage, cutUtf8(error.message, MAX_MESSAGE_BYTES)))
  if (detail === 'full' && error.stack !== undefined) {
    headers.push(textHeader(NAMES.errorStack, cutUtf8(error.stack, MAX_STACK_BYTES)))
  }
  return headers
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString() // oxlint-disable-line no-restricted-globals -- formats a time that the clock gave
}

/** The longest beginning that fits, in whole characters, marked when something was cut. */
function cutUtf8(text: string, maxBytes: number): string {
  const wellFormed = text.toWellFormed()
  if (Buffer.byteLength(wellFormed) <= maxBytes) return wellFormed
  const room = Buffer.from(wellFormed).subarray(0, maxBytes - ELLIPSIS_BYTES)
  let end = room.length
  while (end > 0 && (room[end - 1]! & 0xc0) === 0x80) end-- // back over the tail bytes of the last character
  const lead = end > 0 ? room[end - 1]! : 0
  const whole = lead < 0x80 || room.length - end + 1 === lengthOf(lead)
  return `${room.toString('utf8', 0, whole ? room.length : end - 1)}…`
}

const ELLIPSIS_BYTES = 3

function lengthOf(lead: number): number {
  if (lead >= 0xf0) return 4
  return lead >= 0xe0 ? 3 : 2
}
