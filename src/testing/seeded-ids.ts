import type { Clock, Ids } from '../clock/index.ts'
import { uuidv7 } from '../clock/index.ts'
import { seededRandom } from './seeded-random.ts'

/** Ids that follow from a seed, from a stream of their own, so that one more id does not change every later random number. */
export function seededIds(clock: Clock, seed: number): Ids {
  const random = seededRandom(seed ^ 0x5eed)
  return uuidv7(clock, (bytes) => bytes.forEach((_, i) => (bytes[i] = Math.floor(random() * 256))))
}
