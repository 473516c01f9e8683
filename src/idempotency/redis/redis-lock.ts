import type { Runtime } from '../../clock/index.ts'
import { systemRuntime } from '../../clock/index.ts'
import { unknownOptions } from '../../options/index.ts'
import { createLock } from '../create-lock.ts'
import type { DistributedLock } from '../distributed-lock.ts'
import { idHash } from '../id-hash.ts'
import { storeRefusals } from '../store-refusals.ts'
import { refuseEviction } from './eviction.ts'
import { GIVE_BACK, RENEW_LOCK, TAKE } from './lock-scripts.ts'
import type { RedisClient } from './redis-client.ts'
import { isRedisClient, redisPort } from './redis-client.ts'

/** Where Redis locks lie. */
export interface RedisLockOptions {
  /** Heads every key, before any `keyPrefix` of an ioredis client. @defaultValue `holdfast:lock:` */
  readonly prefix?: string
  /**
   * Takes a Redis that forgets keys when its memory is full (`maxmemory-policy` other than `noeviction`): a lock that is forgotten has two
   * holders.
   *
   * @defaultValue `false`: {@link DistributedLock.check} refuses such a Redis
   */
  readonly allowEviction?: boolean
  /** @defaultValue `systemRuntime` */
  readonly runtime?: Pick<Runtime, 'clock' | 'ids' | 'random'>
}

const LOCK = 'the Redis lock'
/** How long the last token of a name that nobody takes is remembered. */
const WEEK = String(7 * 86_400_000)

/**
 * A {@link DistributedLock} in Redis 5 or later. Each call is one script on one key, and one round trip.
 *
 * **Best effort**: a Redis that fails over to a replica, or is restarted without a disk, forgets holders that had not been copied or written, and
 * gives the lock to a second one while the first goes on. The second one's token is the greater, since tokens are no less than the server's
 * clock; only where the clock of the new server stands behind can it be smaller, and the resource then refuses the rightful holder until its
 * clock has caught up. Leases end by the server's clock: one that jumps forward ends them early.
 *
 * @param client - an ioredis `Redis` or `Cluster`, or a node-redis client or cluster, connected by its owner, who also closes it and listens
 * to its errors.
 * @throws HOLDFAST_CONFIG_INVALID
 */
export function redisLock(client: RedisClient, options: RedisLockOptions = {}): DistributedLock {
  const { prefix = 'holdfast:lock:', allowEviction = false, runtime = systemRuntime } = options
  const problems = [
    ...(isRedisClient(client) ? [] : [{ path: 'client', message: 'an ioredis or node-redis client is needed' }]),
    ...unknownOptions(options, ['prefix', 'allowEviction', 'runtime']),
  ]
  if (problems.length > 0) throw storeRefusals.unfitOptions(LOCK, problems)
  const redis = redisPort(client)

  return createLock(
    {
      name: LOCK,
      async take(name, leaseMs) {
        const key = `${prefix}{${idHash(JSON.stringify(name)).toString('base64url')}}`
        const holder = runtime.ids()
        const sentAt = runtime.clock.monotonic()
        const token = await redis.run(TAKE, key, [holder, String(leaseMs), WEEK])
        if (token === null) return null
        const text = String(token as string | number)
        if (!/^\d+$/.test(text)) throw new Error('an answer that no script of ours gives')
        const giveBack = async (): Promise<void> => void (await redis.run(GIVE_BACK, key, [holder]))
        return {
          token: BigInt(text),
          sentAt,
          renew: async () => Number(await redis.run(RENEW_LOCK, key, [holder, String(leaseMs), WEEK])) === 1,
          giveBack,
          drop: () => void giveBack().catch(ignore),
        }
      },
      async check() {
        if (!allowEviction) await refuseEviction(redis, LOCK, 'who has a lock, and two would have it')
      },
    },
    runtime,
  )
}

function ignore(): void {}
