import type { ErrorCode } from '../../errors/index.ts'
import { readFailure } from './kafkajs-errors.ts'

/** What one failed attempt to write a batch says. */
export interface AttemptVerdict {
  /** Is it certain that this attempt wrote nothing, neither now nor later? */
  readonly nothingWritten: boolean
  /**
   * `repeat` on the same inner producer; `renew` it first, its state has left the broker's; `look` at the topic, the answer
   * may be about another one; `stop`.
   */
  readonly next: 'repeat' | 'renew' | 'look' | 'stop'
  /** The code when the call ends here with nothing written. */
  readonly code: ErrorCode
}

/**
 * Judges one attempt.
 *
 * @param wasEncoded - kafkajs has begun to encode the request: from there on it may have been sent
 */
export function judgeAttempt(error: unknown, wasEncoded: boolean, transactional: boolean): AttemptVerdict {
  const { type = '', name, root } = readFailure(error)
  if (transactional && ENDED[type] !== undefined) return { nothingWritten: true, next: 'stop', code: ENDED[type] }
  if (!wasEncoded) return judgeUnsent(type, name)
  if (REFUSED[type] !== undefined) return { nothingWritten: true, next: 'stop', code: REFUSED[type] }
  if (REFUSED_FOR_NOW.has(type)) return { nothingWritten: true, next: 'repeat', code: 'HOLDFAST_UNAVAILABLE' }
  if (SEQUENCE_LOST.has(type)) return { nothingWritten: true, next: 'renew', code: 'HOLDFAST_UNAVAILABLE' }
  if (type === 'TOPIC_AUTHORIZATION_FAILED' && isBareAnswer(error)) {
    return { nothingWritten: true, next: 'stop', code: 'HOLDFAST_NOT_AUTHORIZED' }
  }
  if (type === 'UNKNOWN_TOPIC_OR_PARTITION')
    return { nothingWritten: false, next: 'look', code: 'HOLDFAST_INDETERMINATE' }
  return { nothingWritten: false, next: isRetriable(root) ? 'repeat' : 'stop', code: 'HOLDFAST_INDETERMINATE' }
}

function judgeUnsent(type: string, name: string): AttemptVerdict {
  if (ABOUT_A_TOPIC.has(type)) return { nothingWritten: true, next: 'look', code: 'HOLDFAST_UNAVAILABLE' }
  if (name === 'KafkaJSSASLAuthenticationError' || NOT_AUTHORIZED.has(type)) {
    return { nothingWritten: true, next: 'stop', code: 'HOLDFAST_NOT_AUTHORIZED' }
  }
  if (type === 'UNSUPPORTED_VERSION') return { nothingWritten: true, next: 'stop', code: 'HOLDFAST_REFUSED' }
  return { nothingWritten: true, next: 'repeat', code: 'HOLDFAST_UNAVAILABLE' }
}

/**
 * Refusals that come before the append (Kafka's `UnifiedLog.append`, `LogValidator`) and from no other request, so that they
 * cannot be the answer to the metadata request which kafkajs slips in after a lost response. The broker's sequence stays where
 * it was, and so does kafkajs': the inner producer is still good.
 */
const REFUSED: Readonly<Record<string, ErrorCode>> = {
  MESSAGE_TOO_LARGE: 'HOLDFAST_RECORD_TOO_LARGE',
  RECORD_LIST_TOO_LARGE: 'HOLDFAST_RECORD_TOO_LARGE',
  INVALID_TIMESTAMP: 'HOLDFAST_REFUSED',
  INVALID_RECORD: 'HOLDFAST_REFUSED',
  INVALID_REQUIRED_ACKS: 'HOLDFAST_REFUSED',
  UNSUPPORTED_FOR_MESSAGE_FORMAT: 'HOLDFAST_REFUSED',
  UNSUPPORTED_COMPRESSION_TYPE: 'HOLDFAST_REFUSED',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'HOLDFAST_NOT_AUTHORIZED',
}

/**
 * Also refused before the append, for a passing reason. NOT_LEADER_FOR_PARTITION is not here: it also ends a request whose
 * records were appended and then waited for replicas while the leader changed (`DelayedProduce`).
 */
const REFUSED_FOR_NOW = new Set(['NOT_ENOUGH_REPLICAS', 'CORRUPT_MESSAGE', 'THROTTLING_QUOTA_EXCEEDED'])

/** The broker does not know the sequence number that it got: it wrote nothing, and never will from this inner producer. */
const SEQUENCE_LOST = new Set(['OUT_OF_ORDER_SEQUENCE_NUMBER', 'UNKNOWN_PRODUCER_ID', 'INVALID_PRODUCER_EPOCH'])

/** In a transaction: another instance took over, or the broker ended the transaction. */
const ENDED: Readonly<Record<string, ErrorCode>> = {
  INVALID_PRODUCER_EPOCH: 'HOLDFAST_FENCED',
  PRODUCER_FENCED: 'HOLDFAST_FENCED',
  INVALID_TXN_STATE: 'HOLDFAST_TRANSACTION_ABORTED',
  INVALID_PRODUCER_ID_MAPPING: 'HOLDFAST_TRANSACTION_ABORTED',
  TRANSACTION_ABORTABLE: 'HOLDFAST_TRANSACTION_ABORTED',
}

/** kafkajs asks about every topic it ever sent to, and gives the first bad answer to whoever sends. */
const ABOUT_A_TOPIC = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'TOPIC_AUTHORIZATION_FAILED', 'INVALID_TOPIC_EXCEPTION'])

const NOT_AUTHORIZED = new Set([
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'CLUSTER_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
])

/** Is it the answer to the request itself? What fails in the refresh of metadata after it comes wrapped (`retry/index.js:53`). */
function isBareAnswer(error: unknown): boolean {
  return (error as { readonly name?: unknown } | null)?.name === 'KafkaJSProtocolError'
}

function isRetriable(root: unknown): boolean {
  return (root as { readonly retriable?: unknown } | null)?.retriable === true
}
