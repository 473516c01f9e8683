import { createHash } from 'node:crypto'
import type { RedisScript } from './redis-client.ts'

/** What scripts begin with: `now`, the server's own milliseconds, so that clocks of clients that differ change nothing; and numbers from text and back. */
export const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function number(value) return tonumber(value or 0) or 0 end
local function text(value) return string.format('%.0f', value) end
`

/** A script, with the name that Redis has for it. */
export function redisScript(text: string): RedisScript {
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}
