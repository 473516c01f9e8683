/**
 * Holdfast: producers that cannot send a bad or keyless record, consumers that cannot lose one.
 *
 * Begin with {@link defineTopic}, {@link createProducer} and {@link createConsumer}; the Kafka client comes from `holdfast/kafkajs`.
 *
 * @packageDocumentation
 */
export type {
  AuditCounts,
  AuditFact,
  AuditLookup,
  AuditOptions,
  AuditPlace,
  AuditProgress,
  AuditRange,
  AuditReport,
  AuditScope,
  AuditSource,
  FactState,
  FindingKind,
  SourceNews,
  TopicRecordsOptions,
} from './audit/index.ts'
export { audit, topicRecords } from './audit/index.ts'
export type { Clock, Failpoint, Ids, Runtime, Timer } from './clock/index.ts'
export { systemRuntime } from './clock/index.ts'
export type { HoldfastConfig, OutboxConfig, PostgresConfig } from './configuration/index.ts'
export { defineConfig } from './configuration/index.ts'
export type {
  BatchContext,
  BatchHandler,
  BatchMessage,
  BatchSubscriptionOptions,
  Consumer,
  ConsumerEvents,
  ConsumerHealth,
  ConsumerOptions,
  DedupeOptions,
  DeliveryLevel,
  DuplicatesPlan,
  ErrorRule,
  ErrorVerdict,
  ExhaustedPlan,
  Handler,
  HandlerOutcome,
  Message,
  MessageContext,
  Ordering,
  PlanBound,
  RebalanceContext,
  ReliabilityPlan,
  SeekTarget,
  SubscriptionOptions,
  TombstoneHandler,
  TopicPlan,
} from './consumer/index.ts'
export { createConsumer, park, pauseFor, retryAfter, skip } from './consumer/index.ts'
export type { DeadLetter, DeadLetterEntry, DeadLettersOptions, DeadLetterTopic, ParkReason } from './dlq/index.ts'
export { DEAD_LETTER_HEADERS, deadLetters, readDeadLetter } from './dlq/index.ts'
export type {
  AssignedPartition,
  Capabilities,
  CommitOffset,
  Compression,
  ConsumerCallbacks,
  Driver,
  DriverAdmin,
  DriverConsumer,
  DriverConsumerOptions,
  DriverProducer,
  DriverProducerOptions,
  DriverSurroundings,
  DriverTransaction,
  InboundBatch,
  NewTopic,
  ProduceBatch,
  ProduceOutcome,
} from './driver/index.ts'
export type { ErrorCode, HoldfastErrorOptions, Problem } from './errors/index.ts'
export { ERROR_CODES, HoldfastError } from './errors/index.ts'
export type {
  AcquireOptions,
  AcquireResult,
  BeginOptions,
  BeginResult,
  DedupeOutcome,
  DedupeStore,
  DistributedLock,
  HeldLock,
  Inbox,
  InboxBegin,
  InboxCall,
  InboxDone,
  InboxEnd,
  InboxMessage,
  InboxResult,
  LeaseToken,
  LockBusy,
  MemoryDedupeStoreOptions,
  WithLockResult,
} from './idempotency/index.ts'
export { dedupeId, memoryDedupeStore } from './idempotency/index.ts'
export type { LogFields, Logger } from './logger/index.ts'
export { silentLogger } from './logger/index.ts'
export type {
  Enqueued,
  OperationResult,
  Outbox,
  OutboxMessage,
  OutboxOperations,
  OutboxOptions,
  OutboxStatistics,
  OutboxStore,
  ParkedRow,
  ParkedSelection,
  ParkReason as OutboxParkReason,
  Relay,
  RelayEvents,
  RelayHealth,
  RelayOptions,
  RelayStore,
} from './outbox/index.ts'
export { createOutbox, createRelay } from './outbox/index.ts'
export type {
  CloseReport,
  DeliveryOptions,
  PartitionCountChange,
  Partitioner,
  PartitionerInput,
  Producer,
  ProducerOptions,
  SendManyOutcome,
  SendOptions,
  SendResult,
  Transaction,
  UnconfirmedMessage,
} from './producer/index.ts'
export { createProducer } from './producer/index.ts'
export type { Header, Headers, InboundRecord, OutboundRecord, Position, TopicPartition } from './record/index.ts'
export { formatPartition, formatPosition, headerText, MESSAGE_HEADERS, partitionOfKey } from './record/index.ts'
export type { RetryOptions } from './retry/index.ts'
export type { Closable, CloseOnSignalsOptions } from './shutdown/index.ts'
export { closeOnSignals } from './shutdown/index.ts'
export type {
  CreateObservation,
  ProcessDescription,
  ProcessObservation,
  SendDescription,
  SendObservation,
  Telemetry,
} from './telemetry/index.ts'
export { noTelemetry } from './telemetry/index.ts'
export type {
  AnySendableTopic,
  AnyTopic,
  Codec,
  InferInput,
  InferOutput,
  InputOf,
  JsonOptions,
  Key,
  KeyDefinition,
  KeyOf,
  MessageHeaders,
  MessageOptions,
  MessagesToSend,
  MessageToSend,
  NoKeyDefinition,
  OutputOf,
  SchemalessTopicDefinition,
  SendableTopic,
  StandardIssue,
  StandardResult,
  StandardSchema,
  Topic,
  TopicDefinition,
  TypedCodec,
} from './topic/index.ts'
export { bytes, CodecError, deadLetterTopicName, defineTopic, json } from './topic/index.ts'
