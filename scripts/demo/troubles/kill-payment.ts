import type { Client } from 'pg'
import { MOST_IN_HANDLERS } from '../duties.ts'
import { stopInTheMiddle } from './stop-in-the-middle.ts'
import type { Trouble } from './trouble.ts'
import { counted, databaseMs } from './trouble.ts'

/** Kills the service whose effect cannot be taken back when that is worst, and starts it again: money is taken, and no row says so. */
export const killPayment: Trouble = {
  after: 0.18,
  async run({ fleet, database, say, note, stop }) {
    const victim = fleet.first('payment')
    const charged = await stopInTheMiddle(victim, () => chargedWithoutRow(database), stop)
    fleet.letGo(victim)
    victim.child.signal('SIGKILL')
    await victim.child.exited
    const killed = { service: victim.name, process: victim.child.pid, mostInHandlers: MOST_IN_HANDLERS.payment }
    note({ kind: 'killed', ...killed, atMs: await databaseMs(database) })
    await victim.stop()
    const next = await fleet.start('payment')
    say(
      `killed payment (process ${victim.child.pid}) with SIGKILL after ${counted(charged.length, 'charge')} that no row of its own told of yet; ` +
        'started it again',
    )
    await fleet.ready(next)
  },
}

/** The orders of which the gateway has said something that the payment's row does not know yet. */
async function chargedWithoutRow(database: Client): Promise<readonly string[]> {
  const { rows } = await database.query<{ order_id: string }>(
    "select order_id from gateway_charges join payments using (order_id) where payments.state = 'pending'",
  )
  return rows.map((row) => row.order_id)
}
