export type {
  Consumer,
  ConsumerEvents,
  ConsumerHealth,
  ConsumerOptions,
  DedupeOptions,
  ErrorRule,
  ErrorVerdict,
  SubscriptionOptions,
} from './consumer.ts'
export { createConsumer } from './create-consumer.ts'
export type { Handler, Message, MessageContext, TombstoneHandler } from './message.ts'
export type { HandlerOutcome } from './outcome.ts'
export { park, pauseFor, retryAfter, skip } from './outcome.ts'
