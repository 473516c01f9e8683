export type { Contention } from './contention.ts'
export { CONTENTION_TABLE, takenByOne } from './contention.ts'
export { DRIVER_NAMES } from './drivers.ts'
export { EFFECT_TABLES } from './effect-store.ts'
export type { FateShares } from './fates.ts'
export { VALUE_HEADER } from './journaling-driver.ts'
export type {
  Accident,
  CommonConfig,
  ConsumerConfig,
  DedupeConfig,
  ProducerConfig,
  WorkerConfig,
} from './worker-config.ts'
export { CONFIG_VARIABLE } from './worker-config.ts'
export { REFUSED } from './exit-codes.ts'
export { sampleResources } from './resources.ts'
