import type { Runtime } from '../../../src/clock/index.ts'
import { systemRuntime } from '../../../src/clock/index.ts'

/** Where a process ends or stands still by itself: `failpoint#passing`. */
export interface Accidents {
  /** Kills itself, as hard as it can. */
  readonly dieAt?: string | undefined
  /** Stops itself, as SIGSTOP from outside would; goes on where it was. */
  readonly standAt?: string | undefined
  readonly onStand?: (failpoint: string) => void
}

/** The real surroundings, with accidents. */
export function workerRuntime({ dieAt, standAt, onStand }: Accidents): Runtime {
  if (dieAt === undefined && standAt === undefined) return systemRuntime
  const isFatal = passingOf(dieAt)
  const stands = passingOf(standAt)
  return {
    ...systemRuntime,
    failpoint(name) {
      if (stands(name)) {
        onStand?.(name)
        process.kill(process.pid, 'SIGSTOP')
      }
      if (!isFatal(name)) return
      process.kill(process.pid, 'SIGKILL')
      return new Promise(() => {}) // the signal may take a moment: nothing more happens in it
    },
  }
}

/** Tells the one passing that is meant from all others. */
function passingOf(place: string | undefined): (name: string) => boolean {
  if (place === undefined) return () => false
  const [failpoint, passing] = place.split('#')
  let passed = 0
  return (name) => name === failpoint && ++passed === Number(passing)
}
