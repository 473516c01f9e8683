import { execFile } from 'node:child_process'
import { availableParallelism, cpus } from 'node:os'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The cores, where there are two or more: what a broker computes must not be taken from the client's figures. */
const BROKER_CORE = 0
const CLIENT_CORE = 1

/**
 * Pins the brokers that run here to one core and this process, with every process that it starts from now on, to another.
 *
 * @returns what was done, in words for the results; never fails.
 */
export async function pinCores(brokerPids: readonly number[]): Promise<string> {
  if (availableParallelism() < 2) return 'nothing is pinned: there is one core'
  try {
    for (const pid of brokerPids) await pin(pid, BROKER_CORE)
    await pin(process.pid, CLIENT_CORE)
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no `taskset`' : '`taskset` failed'
    return `nothing is pinned to a core: ${why}`
  }
  const broker =
    brokerPids.length > 0 ? `broker pinned to core ${BROKER_CORE}` : 'broker not pinned: it is not run here'
  return `${broker}, clients pinned to core ${CLIENT_CORE}`
}

/** Lets them use all cores again, with every process that is started from now on. Never fails: what was not pinned is free. */
export async function freeCores(brokerPids: readonly number[]): Promise<void> {
  const all = `0-${cpus().length - 1}`
  await Promise.all([...brokerPids, process.pid].map((pid) => pin(pid, all))).catch(() => undefined)
}

async function pin(pid: number, cores: number | string): Promise<void> {
  await run('taskset', ['--all-tasks', '--cpu-list', '--pid', String(cores), String(pid)])
}
