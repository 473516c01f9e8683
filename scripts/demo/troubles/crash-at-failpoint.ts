import type { ServiceProcess } from '../service-processes.ts'
import type { Scene } from './trouble.ts'

/** Too few orders, and nobody ever comes by there. */
const WORK_LIMIT_MS = 8_000

/**
 * Has a process killed with SIGKILL at a failpoint: in the very step between two that belong together.
 *
 * @returns whether it came by there; else it was killed wherever it was when time was up.
 */
export async function crashAtFailpoint(
  victim: ServiceProcess,
  failpoint: string,
  { fleet }: Pick<Scene, 'fleet'>,
): Promise<boolean> {
  const { child } = victim
  fleet.letGo(victim)
  await victim.crashAt(failpoint)
  let timeout: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => (timeout = setTimeout(resolve, WORK_LIMIT_MS)))
  await Promise.race([child.exited, late])
  clearTimeout(timeout)
  const cameBy = child.exit !== undefined
  child.signal('SIGKILL')
  const { signal } = await child.exited
  if (signal !== 'SIGKILL')
    throw new Error(`${victim.name} was to be killed, and ended by itself: ${await child.logTail(15)}`)
  return cameBy
}
