export type { BatchContext, BatchHandler, BatchMessage } from './batch.ts'
export type { ConsumerEvents } from './consumer-events.ts'
export type { ConsumerOptions, RebalanceContext } from './consumer-options.ts'
export type { Consumer, ConsumerHealth, SeekTarget } from './consumer.ts'
export type {
  BatchSubscriptionOptions,
  DedupeOptions,
  DeliveryLevel,
  ErrorRule,
  ErrorVerdict,
  Ordering,
  SubscriptionOptions,
} from './subscription-options.ts'
export { createConsumer } from './create-consumer.ts'
export { decodeFinishedRanges } from './finished-ranges.ts'
export type { Handler, Message, MessageContext, TombstoneHandler } from './message.ts'
export type { HandlerOutcome } from './outcome.ts'
export type { DuplicatesPlan, ExhaustedPlan, PlanBound, ReliabilityPlan, TopicPlan } from './reliability-plan.ts'
export { park, pauseFor, retryAfter, skip } from './outcome.ts'
