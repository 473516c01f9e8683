import { storeRefusals } from '../store-refusals.ts'
import type { RedisPort } from './redis-client.ts'

/**
 * Refuses a Redis that throws keys away when its memory is full. One that does not tell (a user without the right to ask, a cluster of
 * node-redis) is taken as it is.
 *
 * @param loss - what it would forget, and what comes of it
 * @throws HOLDFAST_CONFIG_INVALID
 */
export async function refuseEviction(redis: RedisPort, store: string, loss: string): Promise<void> {
  const infos = await redis.memoryInfo().catch(() => [])
  const policies = infos.flatMap((info) => {
    const limit = Number(/^maxmemory:(\d+)/m.exec(info)?.[1] ?? 0)
    const policy = /^maxmemory_policy:([\w-]+)/m.exec(info)?.[1] ?? 'noeviction'
    return limit > 0 && policy !== 'noeviction' ? [policy] : []
  })
  const [policy] = policies
  if (policy === undefined) return
  const message = `maxmemory-policy is ${policy}: a full Redis would forget ${loss}. Set noeviction, or allow it by allowEviction: true`
  throw storeRefusals.unfitOptions(store, [{ path: 'client', message }])
}
