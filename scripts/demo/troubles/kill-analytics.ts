import type { Client } from 'pg'
import { MOST_IN_HANDLERS } from '../duties.ts'
import { stopInTheMiddle } from './stop-in-the-middle.ts'
import type { Trouble } from './trouble.ts'
import { counted, databaseMs } from './trouble.ts'

/** Kills the service that counts at most once in the middle of a batch, and starts it again: that batch is missed. */
export const killAnalytics: Trouble = {
  after: 0.52,
  async run({ fleet, database, say, note, stop }) {
    const victim = fleet.first('analytics')
    const batches = await stopInTheMiddle(victim, () => openBatches(database), stop)
    fleet.letGo(victim)
    victim.child.signal('SIGKILL')
    await victim.child.exited
    const killed = { service: victim.name, process: victim.child.pid, mostInHandlers: MOST_IN_HANDLERS.analytics }
    note({ kind: 'killed', ...killed, atMs: await databaseMs(database) })
    await victim.stop()
    const next = await fleet.start('analytics')
    say(
      `killed analytics (process ${victim.child.pid}) with SIGKILL in the middle of ${counted(batches.length, 'batch', 'batches')}; ` +
        'started it again',
    )
    await fleet.ready(next)
  },
}

async function openBatches(database: Client): Promise<readonly number[]> {
  const { rows } = await database.query<{ pid: number }>(
    "select pid from pg_stat_activity where application_name = 'analytics' and state = 'idle in transaction'",
  )
  return rows.map(({ pid }) => pid)
}
