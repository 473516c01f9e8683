export type { Capabilities, Compression } from './capabilities.ts'
export { connectOnce } from './connect-once.ts'
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
export { KNOWS_NO_SUCH_PLACE, REFUSES_A_RECORD } from './produce-refusals.ts'
export { refuseUnableProducer } from './refuse-unable-producer.ts'
