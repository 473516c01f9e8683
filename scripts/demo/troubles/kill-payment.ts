import { MOST_IN_HANDLERS } from '../duties.ts'
import type { Trouble } from './trouble.ts'
import { databaseMs } from './trouble.ts'

/** Kills the service whose effect, a charge, cannot be taken back, and starts it again. */
export const killPayment: Trouble = {
  after: 0.4,
  async run({ fleet, database, say, note }) {
    const victim = fleet.first('payment')
    fleet.letGo(victim)
    victim.child.signal('SIGKILL')
    await victim.child.exited
    const killed = { service: victim.name, process: victim.child.pid, mostInHandlers: MOST_IN_HANDLERS.payment }
    note({ kind: 'killed', ...killed, atMs: await databaseMs(database) })
    await victim.stop()
    const next = await fleet.start('payment')
    say(`killed payment (process ${victim.child.pid}) with SIGKILL and started it again`)
    await fleet.ready(next)
  },
}
