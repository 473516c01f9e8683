export type { Capabilities, Compression } from './capabilities.ts'
export type { DriverAdmin, NewTopic } from './driver-admin.ts'
export type {
  AssignedPartition,
  CommitOffset,
  ConsumerCallbacks,
  DriverConsumer,
  DriverConsumerOptions,
  InboundBatch,
  InboundRecords,
} from './driver-consumer.ts'
export type {
  DriverProducer,
  DriverProducerOptions,
  DriverTransaction,
  ProduceBatch,
  ProduceOutcome,
} from './driver-producer.ts'
export type { Driver, DriverSurroundings } from './driver.ts'
