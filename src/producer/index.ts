export { createProducer } from './create-producer.ts'
export type { PartitionCountChange } from './partition-counts.ts'
export type { Partitioner, PartitionerInput } from './partitioner.ts'
export type {
  CloseReport,
  DeliveryOptions,
  Producer,
  SendManyOutcome,
  SendOptions,
  SendResult,
  Transaction,
  UnconfirmedMessage,
} from './producer.ts'
export type { ProducerOptions } from './producer-options.ts'
