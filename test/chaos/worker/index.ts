export type { Contention } from './contention.ts'
export { CONTENTION_TABLE, takenByOne } from './contention.ts'
export { DRIVER_NAMES } from './drivers.ts'
export { EFFECT_TABLES } from './effect-store.ts'
export type { Enqueueing } from './enqueue-transaction.ts'
export { enqueueing } from './enqueue-transaction.ts'
export type { FateShares } from './fates.ts'
export { VALUE_HEADER } from './journaling-driver.ts'
export { JUDGE_TABLES } from './judge-tables.ts'
export type {
  Accident,
  CommonConfig,
  ConsumerConfig,
  DedupeConfig,
  EnqueuerConfig,
  OutboxPlace,
  ProducerConfig,
  RelayConfig,
  RelayTuning,
  TransactionShares,
  WorkerConfig,
} from './worker-config.ts'
export { CONFIG_VARIABLE } from './worker-config.ts'
export { REFUSED } from './exit-codes.ts'
export { sampleResources } from './resources.ts'
