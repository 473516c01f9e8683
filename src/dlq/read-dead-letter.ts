import type { ErrorDescription } from '../errors/index.ts'
import type { Headers, InboundRecord, Position } from '../record/index.ts'
import { headerText } from '../record/index.ts'
import { DEAD_LETTER_HEADERS as NAMES } from './dead-letter-headers.ts'

/** A parked record, with what its headers tell about its failure. */
export interface DeadLetter {
  /** Where the record stood when it was parked first. */
  readonly origin: Position
  /** The record's own timestamp; null when it does not say. */
  readonly timestamp: Date | null
  readonly messageId: string | null
  /** The group whose handler failed last. */
  readonly groupId: string | null
  /** Calls of the handler; 0 when the record could not be decoded, or does not say. At most 1,000,000. */
  readonly attempts: number
  readonly firstFailedAt: Date | null
  readonly lastFailedAt: Date | null
  /** One of `ParkReason` when Holdfast wrote it; `unknown` when it does not say. */
  readonly reason: string
  readonly error: ErrorDescription | null
  /** As they were on the source topic, byte for byte. */
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  /** The record's own, without those of the dead letter. */
  readonly headers: Headers
}

/**
 * Reads a record of a dead letter topic. Null when it does not say where it came from: then it is no dead letter of ours.
 *
 * Headers are data that anybody with write access can forge: numbers are strict decimals within their bounds, times are real
 * times, and what is neither counts as absent. Never throws.
 */
export function readDeadLetter(record: InboundRecord): DeadLetter | null {
  const { headers } = record
  const topic = headerText(headers, NAMES.topic)
  const partition = decimal(headerText(headers, NAMES.partition), MAX_PARTITION)
  const offset = decimal(headerText(headers, NAMES.offset), MAX_OFFSET)
  if (!topic || partition === null || offset === null) return null
  const timestamp = decimal(headerText(headers, NAMES.timestamp), MAX_TIME)
  return {
    origin: { topic, partition: Number(partition), offset },
    timestamp: timestamp === null ? null : new Date(Number(timestamp)), // oxlint-disable-line no-restricted-globals -- a given time
    messageId: headerText(headers, NAMES.messageId) ?? null,
    groupId: headerText(headers, NAMES.group) ?? null,
    attempts: Number(decimal(headerText(headers, NAMES.attempts), MAX_OFFSET, MAX_ATTEMPTS) ?? 0n),
    firstFailedAt: isoTime(headerText(headers, NAMES.firstFailedAt)),
    lastFailedAt: isoTime(headerText(headers, NAMES.lastFailedAt)),
    reason: headerText(headers, NAMES.reason) ?? 'unknown',
    error: readError(headers),
    key: record.key,
    value: record.value,
    headers: headers.filter(([name]) => !LETTER_NAMES.has(name)),
  }
}

const LETTER_NAMES: ReadonlySet<string> = new Set(Object.values(NAMES))
const MAX_PARTITION = 2n ** 31n - 1n // Kafka's int32
const MAX_OFFSET = 2n ** 63n - 1n // Kafka's int64
const MAX_TIME = 8_640_000_000_000_000n // the last moment a Date can tell
const MAX_ATTEMPTS = 1_000_000n // what RetryOptions allows

/** Digits and nothing else: `Number` would take `''`, `0x10` and `1e9`. Above `max` it is nonsense; above `clamp` it is cut. */
function decimal(text: string | undefined, max: bigint, clamp: bigint = max): bigint | null {
  if (text === undefined || !/^\d{1,19}$/.test(text)) return null
  const value = BigInt(text)
  if (value > max) return null
  return value > clamp ? clamp : value
}

function isoTime(text: string | undefined): Date | null {
  if (text === undefined || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$/.test(text)) return null
  const time = new Date(text) // oxlint-disable-line no-restricted-globals -- reads a given time
  return Number.isNaN(time.getTime()) ? null : time
}

function readError(headers: Headers): ErrorDescription | null {
  const name = headerText(headers, NAMES.errorClass)
  if (name === undefined) return null
  const code = headerText(headers, NAMES.errorCode)
  const stack = headerText(headers, NAMES.errorStack)
  return {
    name,
    message: headerText(headers, NAMES.errorMessage) ?? '',
    ...(code === undefined ? {} : { code }),
    ...(stack === undefined ? {} : { stack }),
  }
}
