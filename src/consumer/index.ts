export type { BatchContext, BatchHandler, BatchMessage } from './batch.ts'
export type {
  BatchSubscriptionOptions,
  Consumer,
  ConsumerEvents,
  ConsumerHealth,
  ConsumerOptions,
  DedupeOptions,
  DeliveryLevel,
  ErrorRule,
  ErrorVerdict,
  Ordering,
  RebalanceContext,
  SeekTarget,
  SubscriptionOptions,
} from './consumer.ts'
export { createConsumer } from './create-consumer.ts'
export { decodeFinishedRanges } from './finished-ranges.ts'
export type { Handler, Message, MessageContext, TombstoneHandler } from './message.ts'
export type { HandlerOutcome } from './outcome.ts'
export type { DuplicatesPlan, ExhaustedPlan, PlanBound, ReliabilityPlan, TopicPlan } from './reliability-plan.ts'
export { park, pauseFor, retryAfter, skip } from './outcome.ts'
