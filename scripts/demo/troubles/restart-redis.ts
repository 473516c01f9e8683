import { Redis } from 'ioredis'
import type { LogLine, ServiceProcess } from '../service-processes.ts'
import { orStopped, pause, withPatience } from '../stopping.ts'
import type { Trouble } from './trouble.ts'
import { counted } from './trouble.ts'

const SERVICE = 'notification'
const PARTITIONS = 6
/** Too few orders, and nobody asks Redis for anything: then it is no more than a restart. */
const WORK_LIMIT_MS = 6_000
const LOOK_EVERY_MS = 100
/** It asks again after half a second, then after one, then two, … */
const GO_ON_LIMIT_MS = 45_000

/** Kills the Redis that notification knows its mails by, waits until the service stands still for it, and starts it again. */
export const restartRedis: Trouble = {
  after: 0.35,
  async run({ fleet, redis, say, stop }) {
    if (redis.server === null) {
      say('Redis was given (REDIS_URL), and is left alone')
      return
    }
    const service = fleet.first(SERVICE)
    const before = await knownTo(redis.url)
    const killedAt = new Date()
    await redis.server.kill()
    const paused = await untilPaused(service, killedAt, stop)

    const restartedAt = new Date()
    await orStopped(redis.server.restart(), stop)
    const after = await knownTo(redis.url)
    if (after < before) throw new Error(`Redis knew ${before} messages, and came back with ${after}`)
    if (paused > 0) {
      const patience = withPatience(stop, GO_ON_LIMIT_MS, `${SERVICE} does not go on with a Redis that is back`)
      await service.waitForLine((line) => isSaid(line, 'a partition goes on', restartedAt) || undefined, patience)
    }
    const downS = ((restartedAt.getTime() - killedAt.getTime()) / 1_000).toFixed(1)
    const meanwhile = paused > 0 ? `held back ${counted(paused, 'partition')}` : 'had nothing to ask it'
    say(
      `killed Redis with SIGKILL for ${downS} s: ${SERVICE} ${meanwhile}; it came back with all of ${counted(after, 'message')} that it knew` +
        (paused > 0 ? ', and the mails go on' : ''),
    )
  },
}

/** @returns how many partitions wait: all of them, or as many as had something to do. */
async function untilPaused(service: ServiceProcess, since: Date, stop: AbortSignal): Promise<number> {
  const giveUpAt = performance.now() + WORK_LIMIT_MS
  for (;;) {
    const paused = await service.countLines((line) => isSaid(line, 'a partition is paused', since))
    if (paused >= PARTITIONS || performance.now() > giveUpAt) return paused
    await pause(LOOK_EVERY_MS, stop)
  }
}

async function knownTo(url: string): Promise<number> {
  const client = new Redis(url)
  client.on('error', () => undefined) // the call itself rejects
  try {
    return await client.dbsize()
  } finally {
    client.disconnect()
  }
}

function isSaid({ message, time }: LogLine, text: string, since: Date): boolean {
  return message === text && String(time) >= since.toISOString()
}
