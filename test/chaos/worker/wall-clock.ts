import { readFileSync } from 'node:fs'
import type { Journal } from '../history/index.ts'

const LOOK_EVERY_MS = 25

/**
 * Moves this process' wall clock: `Date` for everything in it, Holdfast's own clock (which asks `Date`), kafkajs, ioredis and pg. The monotonic
 * clock and all timers stay as they are, as on a machine whose clock is set.
 *
 * @param file - holds by how many milliseconds it is off; looked at again and again, and not there until somebody moves the clock.
 * @returns a function that gives the machine's own back.
 */
export function moveWallClock(file: string, journal: Pick<Journal, 'write'>): () => void {
  const OwnDate = Date
  let offsetMs = 0
  const now = (): number => OwnDate.now() + offsetMs
  globalThis.Date = new Proxy(OwnDate, {
    apply: () => new OwnDate(now()).toString(),
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as Date,
    get: (target, property) => (property === 'now' ? now : (Reflect.get(target, property) as unknown)),
  })
  const read = (): void => {
    const text = textOf(file)
    if (text === null || Number(text) === offsetMs) return
    offsetMs = Number(text)
    journal.write({ f: 'wall-clock', offsetMs })
  }
  const looking = setInterval(read, LOOK_EVERY_MS)
  looking.unref()
  read()
  return () => {
    clearInterval(looking)
    globalThis.Date = OwnDate
  }
}

/** Null when nobody has moved it yet, or is about to write it. */
function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8') || null
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
