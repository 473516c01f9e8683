import type { Scenario } from '../machine/index.ts'

const DRAIN_MS = 5_000
/** The last commit, the leave and the closing of sockets. */
const AFTER_DRAIN_MS = 6_000

/** Deploys: members leave in order while the work goes on. */
export const gracefulStop: Scenario = {
  number: 5,
  name: 'graceful-stop',
  about:
    'Members are stopped with SIGTERM under load and others take their places: in time, and nothing is done twice.',
  seconds: 35,
  // No fault is written down: the checker then holds it to a run in which nothing may happen twice.
  async inject(world) {
    for (let n = 1; n <= 3; n++) {
      const { tookMs, exitCode } = await world.fleet.stop(world.worker(`consumer-${n}`))
      if (exitCode !== 0) throw new Error(`consumer-${n} ended with ${exitCode} at SIGTERM`)
      if (tookMs > DRAIN_MS + AFTER_DRAIN_MS) throw new Error(`consumer-${n} took ${Math.round(tookMs)} ms to stop`)
      const { proc } = await world.startConsumer(`consumer-${n}`)
      await world.until('that its successor has partitions', () =>
        Array.from(world.live.owners.values()).includes(proc),
      )
    }
  },
}
