import type { RedisScript } from './redis-client.ts'
import { NOW, redisScript as script } from './redis-script.ts'

/*
 * One hash for each message: so all of it lies on one node of a cluster, and a script changes it in one step.
 *
 *   lease, leaseUntil          who works on it, and until when; it stands there when it has run out, too
 *   attempt                    the number of that lease's attempt; without a lease, how many have come to nothing
 *   outcome, by, markedUntil   how it was done, under which lease, and how long that is remembered
 */

/** Begins. ARGV: token, length of the lease, 1 for a replay, how long a mark is kept. Answers `started` attempt, `done` outcome, or `busy` ms left. */
export const BEGIN: RedisScript = script(`${NOW}
local kept = redis.call('HMGET', KEYS[1], 'outcome', 'markedUntil', 'lease', 'leaseUntil', 'attempt')
local marked = kept[1] and now <= number(kept[2])
if marked and ARGV[3] ~= '1' then return { 'done', kept[1] } end
if kept[3] and now < number(kept[4]) then return { 'busy', text(number(kept[4]) - now) } end
local attempt = 1 + number(kept[5])
local untilMs = now + number(ARGV[2])
if kept[1] and not marked then redis.call('HDEL', KEYS[1], 'outcome', 'by', 'markedUntil') end
redis.call('HSET', KEYS[1], 'lease', ARGV[1], 'leaseUntil', text(untilMs), 'attempt', text(attempt))
redis.call('PEXPIREAT', KEYS[1], text(math.max(marked and number(kept[2]) or 0, untilMs + number(ARGV[4]))))
return { 'started', text(attempt) }
`)

/** Marks. ARGV: token, outcome, how long it is kept. Answers 1, or 0 when the lease is somebody else's. */
export const COMPLETE: RedisScript = script(`${NOW}
local kept = redis.call('HMGET', KEYS[1], 'lease', 'by', 'markedUntil')
if kept[1] == ARGV[1] then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'outcome', ARGV[2], 'by', ARGV[1], 'markedUntil', text(now + number(ARGV[3])))
  redis.call('PEXPIRE', KEYS[1], text(number(ARGV[3]) + 1))
  return 1
end
if kept[2] == ARGV[1] and now <= number(kept[3]) then return 1 end
return 0
`)

/** Gives back. ARGV: token, failed attempts, or -1 when the begin does not count. */
export const ABANDON: RedisScript = script(`${NOW}
local kept = redis.call('HMGET', KEYS[1], 'lease', 'attempt')
if kept[1] ~= ARGV[1] then return 0 end
local failed = number(ARGV[2])
if failed < 0 then failed = number(kept[2]) - 1 end
redis.call('HSET', KEYS[1], 'attempt', text(failed))
redis.call('HDEL', KEYS[1], 'lease', 'leaseUntil')
return 1
`)

/** Renews. ARGV: token, length of the lease, how long a mark is kept. Answers 1, or 0 when the lease is somebody else's. */
export const RENEW: RedisScript = script(`${NOW}
local kept = redis.call('HMGET', KEYS[1], 'lease', 'markedUntil')
if kept[1] ~= ARGV[1] then return 0 end
local untilMs = now + number(ARGV[2])
redis.call('HSET', KEYS[1], 'leaseUntil', text(untilMs))
redis.call('PEXPIREAT', KEYS[1], text(math.max(number(kept[2]), untilMs + number(ARGV[3]))))
return 1
`)
