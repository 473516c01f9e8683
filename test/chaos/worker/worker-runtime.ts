import type { Runtime } from '../../../src/clock/index.ts'
import { systemRuntime } from '../../../src/clock/index.ts'

/** The real surroundings; with `dieAt` (`failpoint#passing`) the process kills itself there, as hard as it can. */
export function workerRuntime(dieAt: string | undefined): Runtime {
  if (dieAt === undefined) return systemRuntime
  const [fatal, passing] = dieAt.split('#')
  let passed = 0
  return {
    ...systemRuntime,
    failpoint(name) {
      if (name !== fatal || ++passed < Number(passing)) return
      process.kill(process.pid, 'SIGKILL')
      return new Promise(() => {}) // the signal may take a moment: nothing more happens in it
    },
  }
}
