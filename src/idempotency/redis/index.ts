export type {
  IoredisClient,
  IoredisNode,
  NodeRedisClient,
  NodeRedisScriptOptions,
  RedisClient,
} from './redis-client.ts'
export type { RedisDedupeStoreOptions } from './redis-dedupe-store.ts'
export { redisDedupeStore } from './redis-dedupe-store.ts'
export type { RedisLockOptions } from './redis-lock.ts'
export { redisLock } from './redis-lock.ts'
