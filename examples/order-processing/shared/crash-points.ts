import { readFileSync } from 'node:fs'
import type { Logger, Runtime } from 'holdfast'
import { systemRuntime } from 'holdfast'

/**
 * The real surroundings, with a trapdoor for whoever wants to see what a crash leaves behind: on SIGUSR2 the process reads the name of a failpoint of
 * Holdfast from the file that `CRASH_AT_FILE` names, and when it next comes by there, it is killed, with SIGKILL. No such variable, no trapdoor.
 */
export function crashableRuntime(log: Logger): Runtime {
  const { CRASH_AT_FILE } = process.env
  if (!CRASH_AT_FILE) return systemRuntime
  let crashAt: string | null = null
  process.on('SIGUSR2', () => (crashAt = readFileSync(CRASH_AT_FILE, 'utf8').trim()))
  return {
    ...systemRuntime,
    failpoint(name) {
      if (name !== crashAt) return
      log.warn({ failpoint: name }, 'killed')
      process.kill(process.pid, 'SIGKILL')
      return new Promise(() => {}) // whatever is left of this turn, nothing comes after it
    },
  }
}
