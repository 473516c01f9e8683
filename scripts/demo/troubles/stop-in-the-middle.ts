import { setTimeout as sleep } from 'node:timers/promises'
import type { ServiceProcess } from '../service-processes.ts'
import { pause } from '../stopping.ts'

/** Too few orders, and nobody is ever in the middle of anything. */
const WORK_LIMIT_MS = 8_000

/**
 * Stops a process with SIGSTOP in the middle of its work: stops it, looks, and lets it go on for a moment when it was elsewhere.
 *
 * @param look - what it is in the middle of, as others see it
 * @returns what `look` has found, the process being stopped; nothing when time was up, and the process is stopped where it was.
 */
export async function stopInTheMiddle<T>(
  { child }: ServiceProcess,
  look: () => Promise<readonly T[]>,
  stop: AbortSignal,
): Promise<readonly T[]> {
  const giveUpAt = performance.now() + WORK_LIMIT_MS
  for (;;) {
    child.signal('SIGSTOP')
    await sleep(20) // a statement that it has sent is carried out all the same
    const found = await look()
    if (found.length > 0 || performance.now() > giveUpAt) return found
    child.signal('SIGCONT')
    await pause(10, stop)
  }
}
