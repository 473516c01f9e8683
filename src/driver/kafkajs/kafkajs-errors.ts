import type { ErrorCode } from '../../errors/index.ts'
import { HoldfastError } from '../../errors/index.ts'

/** What was being done when kafkajs failed; the same answer means different things at different moments. */
export type Moment = 'connect' | 'produce' | 'commit' | 'transaction' | 'admin' | 'join'

/** What can be known of an error of kafkajs without trusting its message. */
export interface KafkajsFailure {
  /** The innermost error: kafkajs wraps the one that matters up to three times. */
  readonly root: unknown
  /** Its class: `KafkaJSConnectionError`, `TypeError`. */
  readonly name: string
  /** Kafka's own name of the answer, `MESSAGE_TOO_LARGE`; absent when the broker gave none. */
  readonly type: string | undefined
}

/**
 * A kafkajs error as ours, judged as if the request was sent once. The text is made of kafkajs' class and Kafka's error name
 * alone: kafkajs' own messages can quote a record or what a user's function threw.
 *
 * @param subject - what it was about, for the message: `orders[3]`, `group inventory`
 */
export function toHoldfastError(error: unknown, when: Moment, subject?: string): HoldfastError {
  if (HoldfastError.is(error)) return error
  return holdfastError(codeOf(readFailure(error), when), error, when, subject)
}

/** A kafkajs error under a code that was decided already, with the same care for what it says. */
export function holdfastError(code: ErrorCode, error: unknown, when: Moment, subject?: string): HoldfastError {
  const failure = readFailure(error)
  const about = subject === undefined ? '' : ` (${subject})`
  const cause = safeCause(failure)
  return new HoldfastError(code, `${DOING[when]} failed${about}: ${describeFailure(failure)}`, {
    retriable: RETRIABLE.has(code),
    ...(cause === undefined ? {} : { cause }),
  })
}

/** Unwraps what kafkajs threw. Never throws itself. */
export function readFailure(error: unknown): KafkajsFailure {
  let root = error
  for (let depth = 0; depth < 8; depth++) {
    const inner = child(root)
    if (inner === undefined) break
    root = inner
  }
  const type = property(root, 'type') ?? property(error, 'type')
  const unknownCode = type === UNKNOWN_CODE ? /\d+$/.exec(property(root, 'message') ?? '')?.[0] : undefined
  return {
    root,
    name: property(root, 'name') ?? typeof root,
    type: unknownCode === undefined ? type : (CODES_UNKNOWN_TO_KAFKAJS[unknownCode] ?? `error ${unknownCode}`),
  }
}

/** One line about a failure, with neither payloads nor secrets in it. */
export function describeFailure({ name, type, root }: KafkajsFailure): string {
  const place = [property(root, 'broker'), type === undefined ? property(root, 'code') : undefined]
  const details = place.filter((part) => part !== undefined).join(' ')
  return `${type ?? name}${details === '' ? '' : ` (${details})`}`
}

function codeOf({ name, type }: KafkajsFailure, when: Moment): ErrorCode {
  if (name === 'KafkaJSSASLAuthenticationError') return 'HOLDFAST_NOT_AUTHORIZED'
  const byType = type === undefined ? undefined : (BY_MOMENT[when]?.[type] ?? ALWAYS[type])
  return byType ?? FALLBACK[when]
}

/** Answers that mean the same wherever they come. Read in Kafka's `Errors.java`. */
const ALWAYS: Readonly<Record<string, ErrorCode>> = {
  SASL_AUTHENTICATION_FAILED: 'HOLDFAST_NOT_AUTHORIZED',
  UNSUPPORTED_SASL_MECHANISM: 'HOLDFAST_NOT_AUTHORIZED',
  ILLEGAL_SASL_STATE: 'HOLDFAST_NOT_AUTHORIZED',
  TOPIC_AUTHORIZATION_FAILED: 'HOLDFAST_NOT_AUTHORIZED',
  GROUP_AUTHORIZATION_FAILED: 'HOLDFAST_NOT_AUTHORIZED',
  CLUSTER_AUTHORIZATION_FAILED: 'HOLDFAST_NOT_AUTHORIZED',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'HOLDFAST_NOT_AUTHORIZED',
  UNKNOWN_TOPIC_OR_PARTITION: 'HOLDFAST_TOPIC_UNKNOWN',
  INVALID_TOPIC_EXCEPTION: 'HOLDFAST_REFUSED',
  INVALID_REQUEST: 'HOLDFAST_REFUSED',
  UNSUPPORTED_VERSION: 'HOLDFAST_REFUSED',
  POLICY_VIOLATION: 'HOLDFAST_REFUSED',
}

const BY_MOMENT: Readonly<Partial<Record<Moment, Readonly<Record<string, ErrorCode>>>>> = {
  produce: {
    MESSAGE_TOO_LARGE: 'HOLDFAST_RECORD_TOO_LARGE',
    RECORD_LIST_TOO_LARGE: 'HOLDFAST_RECORD_TOO_LARGE',
    INVALID_TIMESTAMP: 'HOLDFAST_REFUSED',
    INVALID_RECORD: 'HOLDFAST_REFUSED',
    UNSUPPORTED_FOR_MESSAGE_FORMAT: 'HOLDFAST_REFUSED',
    UNSUPPORTED_COMPRESSION_TYPE: 'HOLDFAST_REFUSED',
    NOT_ENOUGH_REPLICAS: 'HOLDFAST_UNAVAILABLE', // checked before the append; ..._AFTER_APPEND is not in this list
  },
  commit: {
    UNKNOWN_MEMBER_ID: 'HOLDFAST_EPOCH_LOST',
    ILLEGAL_GENERATION: 'HOLDFAST_EPOCH_LOST',
    REBALANCE_IN_PROGRESS: 'HOLDFAST_EPOCH_LOST',
    FENCED_INSTANCE_ID: 'HOLDFAST_EPOCH_LOST',
    OFFSET_METADATA_TOO_LARGE: 'HOLDFAST_REFUSED',
    INVALID_COMMIT_OFFSET_SIZE: 'HOLDFAST_REFUSED',
    GROUP_LOAD_IN_PROGRESS: 'HOLDFAST_UNAVAILABLE',
  },
  transaction: {
    INVALID_PRODUCER_EPOCH: 'HOLDFAST_FENCED',
    PRODUCER_FENCED: 'HOLDFAST_FENCED',
    INVALID_PRODUCER_ID_MAPPING: 'HOLDFAST_TRANSACTION_ABORTED',
    INVALID_TXN_STATE: 'HOLDFAST_TRANSACTION_ABORTED', // also a commit that raced the coordinator's own rollback (KAFKA-20785)
    INVALID_TRANSACTION_TIMEOUT: 'HOLDFAST_CONFIG_INVALID',
  },
  admin: {
    INVALID_PARTITIONS: 'HOLDFAST_REFUSED',
    INVALID_REPLICATION_FACTOR: 'HOLDFAST_REFUSED',
    INVALID_REPLICA_ASSIGNMENT: 'HOLDFAST_REFUSED',
    INVALID_CONFIG: 'HOLDFAST_REFUSED',
    INVALID_GROUP_ID: 'HOLDFAST_REFUSED',
  },
  join: {
    INVALID_SESSION_TIMEOUT: 'HOLDFAST_CONFIG_INVALID',
    INVALID_GROUP_ID: 'HOLDFAST_CONFIG_INVALID',
    INCONSISTENT_GROUP_PROTOCOL: 'HOLDFAST_REFUSED',
    GROUP_MAX_SIZE_REACHED: 'HOLDFAST_UNAVAILABLE',
  },
}

/** Where nothing can have been written an unknown failure is an outage; where something can, its outcome is unknown. */
const FALLBACK: Readonly<Record<Moment, ErrorCode>> = {
  connect: 'HOLDFAST_UNAVAILABLE',
  produce: 'HOLDFAST_INDETERMINATE',
  commit: 'HOLDFAST_INDETERMINATE',
  transaction: 'HOLDFAST_INDETERMINATE',
  admin: 'HOLDFAST_UNAVAILABLE',
  join: 'HOLDFAST_UNAVAILABLE',
}

const DOING: Readonly<Record<Moment, string>> = {
  connect: 'connecting to Kafka',
  produce: 'producing',
  commit: 'committing offsets',
  transaction: 'the transaction',
  admin: 'asking the cluster',
  join: 'joining the group',
}

const RETRIABLE: ReadonlySet<ErrorCode> = new Set([
  'HOLDFAST_UNAVAILABLE',
  'HOLDFAST_DELIVERY_TIMEOUT',
  'HOLDFAST_TRANSACTION_ABORTED',
])

const UNKNOWN_CODE = 'KAFKAJS_UNKNOWN_ERROR_CODE'

/** Kafka's error codes above 88, where the table of kafkajs 2.2.4 ends (`protocol/error.js`). */
const CODES_UNKNOWN_TO_KAFKAJS: Readonly<Record<string, string>> = {
  '89': 'THROTTLING_QUOTA_EXCEEDED',
  '90': 'PRODUCER_FENCED',
  '120': 'TRANSACTION_ABORTABLE',
}

/** The kafkajs classes whose own fields are fixed text, an address, or numbers. */
const HARMLESS = new Set([
  'KafkaJSProtocolError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSBrokerNotFound',
  'KafkaJSMetadataNotLoaded',
  'KafkaJSTopicMetadataNotLoaded',
  'KafkaJSLockTimeout',
])

function safeCause({ root, name }: KafkajsFailure): unknown {
  if (HARMLESS.has(name)) return root
  // With other texts it is the wrapper around a user's function that threw, message and all (network/connection.js:254).
  const ofTheSocket = /^(Connection error: |Connection timeout$|Not connected$|Connection closed)/.test(
    property(root, 'message') ?? '',
  )
  return name === 'KafkaJSConnectionError' && ofTheSocket ? root : undefined
}

function child(error: unknown): unknown {
  try {
    if (typeof error !== 'object' || error === null) return undefined
    const { cause, errors } = error as { cause?: unknown; errors?: unknown }
    const inner = cause ?? (Array.isArray(errors) ? (errors as unknown[])[0] : undefined)
    return typeof inner === 'object' && inner !== null ? inner : undefined
  } catch {
    return undefined
  }
}

function property(error: unknown, name: string): string | undefined {
  try {
    const value: unknown =
      typeof error === 'object' && error !== null ? (error as Record<string, unknown>)[name] : undefined
    return typeof value === 'string' && value !== '' ? value : undefined
  } catch {
    return undefined
  }
}
