import { MOST_IN_HANDLERS } from '../duties.ts'
import { stopInTheMiddle } from './stop-in-the-middle.ts'
import type { Scene } from './trouble.ts'
import { databaseMs } from './trouble.ts'

/**
 * Kills a service with SIGKILL in the middle of its work, and starts it again.
 *
 * @param look - what it is in the middle of, as others see it
 * @param where - says where it was, for people
 */
export async function killInTheMiddle<T>(
  service: 'analytics' | 'payment',
  look: () => Promise<readonly T[]>,
  where: (found: readonly T[]) => string,
  { fleet, database, say, note, stop }: Scene,
): Promise<void> {
  const victim = fleet.first(service)
  const { child } = victim
  const found = await stopInTheMiddle(victim, look, stop)
  fleet.letGo(victim)
  child.signal('SIGKILL')
  await child.exited
  const mostInHandlers = MOST_IN_HANDLERS[service]
  note({ kind: 'killed', service, process: child.pid, mostInHandlers, atMs: await databaseMs(database) })
  await victim.stop()
  const next = await fleet.start(service)
  say(`killed ${service} (process ${child.pid}) with SIGKILL ${where(found)}; started it again`)
  await fleet.ready(next)
}
