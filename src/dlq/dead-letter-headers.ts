/**
 * The headers of a dead letter, after the record's own. All are UTF-8 text; numbers are decimal; times are ISO 8601 in UTC. Names,
 * codes and ids are cut above 256 bytes, the error's message above 1,024, its stack above 8,192.
 *
 * On a second parking (a record of a dead letter topic that is parked on another) the origin, the first failure time and the
 * message id keep what the first one wrote; the rest is replaced. On a topic that others write too, such headers are not believed:
 * they are replaced when the record is parked, and the handler never sees them.
 */
export const DEAD_LETTER_HEADERS = {
  /** Where the record stood: topic, partition, offset, and its own timestamp in milliseconds. */
  topic: 'holdfast-dlq-topic',
  partition: 'holdfast-dlq-partition',
  offset: 'holdfast-dlq-offset',
  timestamp: 'holdfast-dlq-timestamp',
  /** The group whose handler failed. */
  group: 'holdfast-dlq-group',
  /** Calls of the handler; 0 when the record could not be decoded. */
  attempts: 'holdfast-dlq-attempts',
  firstFailedAt: 'holdfast-dlq-first-failed-at',
  lastFailedAt: 'holdfast-dlq-last-failed-at',
  /** Why: `handler-failed`, `decode-failed`, `schema-invalid`, `parked-by-handler`. */
  reason: 'holdfast-dlq-reason',
  errorClass: 'holdfast-dlq-error-class',
  errorCode: 'holdfast-dlq-error-code',
  errorMessage: 'holdfast-dlq-error-message',
  errorStack: 'holdfast-dlq-error-stack',
  /** The message's id, also when the record has no id header of its own. */
  messageId: 'holdfast-dlq-message-id',
} as const
