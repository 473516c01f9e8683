import type { RedisScript } from './redis-client.ts'
import { NOW, redisScript } from './redis-script.ts'

/*
 * One hash for each name: so all of it lies on one node of a cluster, and a script changes it in one step.
 *
 *   holder, heldUntil   who has it, and until when; they stand there when it has run out, too
 *   token               the greatest fencing token that was given; it outlives the holder
 *
 * A token is one more than the last, and no less than the server's clock in microseconds: a server that has forgotten the last one (a restart
 * without a disk, a failover, a name that nobody took for a week) still gives a greater one, unless its clock stands behind the old one's.
 * Lua's numbers are exact to 2^53, which microseconds reach in the year 2255.
 */

/** Takes. ARGV: holder, length of the lease, how long the token is kept beyond it. Answers the token, or nothing when somebody else has it. */
export const TAKE: RedisScript = redisScript(`${NOW}
local kept = redis.call('HMGET', KEYS[1], 'holder', 'heldUntil', 'token')
local isOurs = kept[1] == ARGV[1]
if kept[1] and not isOurs and now < number(kept[2]) then return false end
local untilMs = now + number(ARGV[2])
local token = isOurs and kept[3] or text(math.max(number(kept[3]) + 1, time[1] * 1000000 + time[2]))
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'heldUntil', text(untilMs), 'token', token)
redis.call('PEXPIREAT', KEYS[1], text(untilMs + number(ARGV[3])))
return token
`)

/** Renews. ARGV: holder, length of the lease, how long the token is kept beyond it. Answers 1, or 0 when it is somebody else's or free. */
export const RENEW_LOCK: RedisScript = redisScript(`${NOW}
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return 0 end
local untilMs = now + number(ARGV[2])
redis.call('HSET', KEYS[1], 'heldUntil', text(untilMs))
redis.call('PEXPIREAT', KEYS[1], text(untilMs + number(ARGV[3])))
return 1
`)

/** Gives back. ARGV: holder. The token stays. */
export const GIVE_BACK: RedisScript = redisScript(`
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'holder', 'heldUntil')
return 1
`)
