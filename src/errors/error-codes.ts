/** Every code a {@link HoldfastError} can carry, with what it means. `docs/reference/errors.md` explains each; a test keeps both equal. */
export const ERROR_CODES = {
  /** Options do not fit; `problems` lists every one. */
  HOLDFAST_CONFIG_INVALID: 'options do not fit',
  /** A setting needs something that the driver cannot do. */
  HOLDFAST_UNSUPPORTED: 'the driver cannot do what a setting asks for',
  /** A value, key, header or option of a send does not fit its topic; nothing was sent; `problems` lists every one. */
  HOLDFAST_MESSAGE_INVALID: 'a message does not fit its topic; nothing was sent',
  /** The bytes of a record cannot be decoded. */
  HOLDFAST_DECODE_FAILED: 'the bytes of a record cannot be decoded',
  /** A decoded record does not fit the schema of its topic. */
  HOLDFAST_SCHEMA_INVALID: 'a decoded record does not fit the schema of its topic',
  /** The topic does not exist, or this client may not see it. */
  HOLDFAST_TOPIC_UNKNOWN: 'the topic does not exist or may not be seen',
  /** The topic has no such partition. */
  HOLDFAST_PARTITION_UNKNOWN: 'the topic has no such partition',
  /** The broker refuses the record for its size; nothing was written. */
  HOLDFAST_RECORD_TOO_LARGE: 'a record is larger than the broker takes; nothing was written',
  /** The broker refused the request; nothing was written and the same request never will be. */
  HOLDFAST_REFUSED: 'the broker refused the request; nothing was written',
  /** Nothing was written, and the same call may succeed later. */
  HOLDFAST_UNAVAILABLE: 'the cluster cannot be reached or is not ready; nothing was written',
  /** The outcome is unknown: the record or the commit may or may not be on the log. */
  HOLDFAST_INDETERMINATE: 'the outcome is unknown: it may or may not have been written',
  /** Credentials are missing, wrong, or without the right. */
  HOLDFAST_NOT_AUTHORIZED: 'credentials are missing, wrong, or without the right',
  /**
   * Another producer took over this transactional id, or a transaction outlived its timeout and the broker rolled it back: the two look
   * alike. This producer is done, since to begin again could fence off the one that took over.
   */
  HOLDFAST_FENCED: 'another instance took over this transactional id, or a transaction outlived its timeout',
  /** The delivery timeout passed before the record was handed to the broker; nothing was written. */
  HOLDFAST_DELIVERY_TIMEOUT: 'the delivery timeout passed before the record was sent; nothing was written',
  /** The send buffer stayed full for the delivery timeout; nothing was written. */
  HOLDFAST_BUFFER_FULL: 'the send buffer is full; nothing was written',
  /** The caller's signal ended the call; nothing was written. */
  HOLDFAST_ABORTED: 'the caller ended the call; nothing was written',
  /** The transaction was rolled back; nothing of it is visible. */
  HOLDFAST_TRANSACTION_ABORTED: 'the transaction was rolled back',
  /** It is closed, or closing. */
  HOLDFAST_CLOSED: 'it is closed or closing',
  /** The partition was taken away, or its assignment is an old one: the late operation was refused locally. */
  HOLDFAST_EPOCH_LOST: 'the partition was taken away; the late operation was refused',
  /** A call of a handler has not ended within its time. It may still be running: nothing else of its key begins before it has ended. */
  HOLDFAST_HANDLER_TIMEOUT: 'a handler has not ended in time',
  /** The dead letter topic cannot be written; the partition waits and nothing is dropped. */
  HOLDFAST_DEAD_LETTER_UNREACHABLE: 'the dead letter topic cannot be written; the partition waits',
  /** The dead letter topic is missing or unfit; found at start. */
  HOLDFAST_DEAD_LETTER_TOPIC_UNFIT: 'the dead letter topic is missing or unfit',
  /** The dedupe store does not answer, and the record waits; or the server of a lock does not. */
  HOLDFAST_STORE_UNAVAILABLE: 'the dedupe store, or the server of a lock, does not answer',
  /** A dedupe lease ended or passed to somebody else before it was completed. */
  HOLDFAST_LEASE_LOST: 'a dedupe lease passed to somebody else',
  /** Somebody else had a lock for as long as it was waited for. */
  HOLDFAST_LOCK_TIMEOUT: 'a lock was taken for as long as it was waited for',
  /** A lock passed to somebody else, or was not confirmed in time, before its holder gave it back. */
  HOLDFAST_LOCK_LOST: 'a lock was lost before it was given back',
  /** The committed offset is no longer on the log. */
  HOLDFAST_OFFSET_OUT_OF_RANGE: 'the committed offset is no longer on the log',
  /** A rule ended the consumer at a failure; the offset of its record did not move. */
  HOLDFAST_STOPPED_BY_RULE: 'an error rule ended the consumer; the record was not passed over',
  /** The driver's consumer ended by itself. */
  HOLDFAST_CONSUMER_CRASHED: 'the consumer ended by itself',
  /** For tests: a schedule of a simulation breaks a promise; `problems` lists every one. */
  HOLDFAST_SIMULATION_FAILED: 'a schedule of a simulation breaks a promise',
  /** For tests: what a test waits for, or asserts, is not so; the message says what was there instead. */
  HOLDFAST_NOT_AS_EXPECTED: 'what a test expects is not so',
} as const

/** One of {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES
