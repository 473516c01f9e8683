import { pause } from './stopping.ts'

/** When each order may be placed: spread out, so that there is load whenever something goes wrong. */
export interface Pace {
  /** Resolves when the order of this number may be placed. */
  turnOf(order: number, stop: AbortSignal): Promise<void>
  /** The next part of the orders may be placed. */
  nextLeg(): void
}

/** However short a trouble is, its orders come one after the other for this long. */
const LEG_MS = 4_000
const LOOK_EVERY_MS = 20

/** Splits the orders into as many legs; those of one are placed evenly over {@link LEG_MS}, and none of the next before `nextLeg`. */
export function createPace(orders: number, legs: number, clock: () => number = () => performance.now()): Pace {
  const perLeg = Math.max(1, Math.ceil(orders / legs))
  let leg = 0
  let begun = clock()
  return {
    async turnOf(order, stop) {
      const isDue = (): boolean => {
        const ofLeg = order - leg * perLeg
        return ofLeg < perLeg && clock() - begun >= (ofLeg / perLeg) * LEG_MS
      }
      while (!isDue()) await pause(LOOK_EVERY_MS, stop)
    },
    nextLeg() {
      leg++
      begun = clock()
    },
  }
}
