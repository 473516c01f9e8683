import type { Runtime } from '../../clock/index.ts'
import { systemRuntime } from '../../clock/index.ts'
import { countProblems, unknownOptions } from '../../options/index.ts'
import type { DedupeStore, LeaseToken } from '../dedupe-store.ts'
import { idHash } from '../id-hash.ts'
import { refuseUnfitLease, storeRefusals } from '../store-refusals.ts'
import { ABANDON, BEGIN, COMPLETE, RENEW } from './dedupe-scripts.ts'
import { refuseEviction } from './eviction.ts'
import type { RedisClient, RedisScript } from './redis-client.ts'
import { isRedisClient, redisPort } from './redis-client.ts'

/** Where a Redis store keeps what it knows, and for how long. */
export interface RedisDedupeStoreOptions {
  /**
   * How long a done message is remembered, in milliseconds: longer than duplicates can come, so longer than all retries, the greatest lag
   * and the window of replays together. An integer of 1 or more. A message takes about 250 bytes of Redis.
   *
   * @defaultValue `86_400_000`, a day
   */
  readonly ttlMs?: number
  /** Heads every key, before any `keyPrefix` of an ioredis client. @defaultValue `holdfast:dedupe:` */
  readonly prefix?: string
  /**
   * Takes a Redis that forgets keys when its memory is full (`maxmemory-policy` other than `noeviction`): a mark that is forgotten lets
   * its message be handled again.
   *
   * @defaultValue `false`: such a Redis is refused when a consumer starts
   */
  readonly allowEviction?: boolean
  /** @defaultValue `systemRuntime` */
  readonly runtime?: Pick<Runtime, 'clock' | 'ids'>
}

const STORE = 'the Redis dedupe store'

/**
 * A {@link DedupeStore} in Redis 5 or later, for all processes of a service. Each call is one script and one round trip.
 *
 * **Best effort**: the effect and its mark are two writes, so a crash between them repeats the effect; a Redis that fails over to a replica
 * loses what had not been copied, one that is restarted without a disk loses all, and what is lost is handled again. For effects that must
 * not repeat use the Postgres inbox, or an effect that knows its own id.
 *
 * Leases and marks end by the clock of the Redis server: one that jumps forward ends them early.
 *
 * @param client - an ioredis `Redis` or `Cluster`, or a node-redis client or cluster, connected by its owner, who also closes it and
 * listens to its errors.
 * @throws HOLDFAST_CONFIG_INVALID
 */
export function redisDedupeStore(client: RedisClient, options: RedisDedupeStoreOptions = {}): DedupeStore {
  const { ttlMs = 86_400_000, prefix = 'holdfast:dedupe:', allowEviction = false, runtime = systemRuntime } = options
  const problems = [
    ...(isRedisClient(client) ? [] : [{ path: 'client', message: 'an ioredis or node-redis client is needed' }]),
    ...countProblems({ ttlMs }),
    ...unknownOptions(options, ['ttlMs', 'prefix', 'allowEviction', 'runtime']),
  ]
  if (problems.length > 0) throw storeRefusals.unfitOptions(STORE, problems)
  const redis = redisPort(client)
  const keepMs = String(ttlMs)

  const ask = async (script: RedisScript, place: string, ...values: string[]): Promise<unknown> => {
    try {
      return await redis.run(script, `${prefix}${place}`, values)
    } catch (error) {
      throw storeRefusals.unavailable(STORE, error)
    }
  }
  // A token ends with the place of its message, so that its holder need not name the message again.
  const askBy = (token: LeaseToken, script: RedisScript, ...values: string[]): Promise<unknown> =>
    ask(script, token.slice(token.indexOf(':') + 1), token, ...values)

  return {
    ttlMs,
    async begin(id, { leaseMs, replay = false }) {
      refuseUnfitLease(leaseMs)
      const place = idHash(id).toString('base64url')
      const token = `${runtime.ids()}:${place}`
      const answer = await ask(BEGIN, place, token, String(leaseMs), replay ? '1' : '0', keepMs)
      const [kind, value] = Array.isArray(answer) ? answer.map(String) : []
      if (kind === 'started') return { kind, token, attempt: Number(value) }
      if (kind === 'busy') return { kind, untilMs: runtime.clock.now() + Number(value) }
      if (kind === 'done' && (value === 'handled' || value === 'parked')) return { kind, outcome: value }
      throw storeRefusals.unavailable(STORE, new Error('an answer that no script of ours gives'))
    },
    async complete(token, outcome) {
      if (Number(await askBy(token, COMPLETE, outcome, keepMs)) !== 1) throw storeRefusals.leaseLost('complete')
    },
    async abandon(token, failedAttempts = -1) {
      await askBy(token, ABANDON, String(failedAttempts))
    },
    async renew(token, leaseMs) {
      refuseUnfitLease(leaseMs)
      if (Number(await askBy(token, RENEW, String(leaseMs), keepMs)) !== 1) throw storeRefusals.leaseLost('renew')
    },
    async check() {
      if (!allowEviction) await refuseEviction(redis, STORE, 'what is done, and messages would be handled again')
    },
  }
}
