import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from 'pg'
import type { LogLine, ServiceProcess } from '../service-processes.ts'
import { pause, withPatience } from '../stopping.ts'
import type { Scene, Trouble } from './trouble.ts'
import { databaseMs } from './trouble.ts'

/** Too few orders, and nobody has anything to do: then it is no more than a rebalance. */
const WORK_LIMIT_MS = 8_000
const WAKE_LIMIT_MS = 30_000
/** What it had under way ends within this time: a round trip to the database or to Kafka. */
const LATE_WORK_MS = 1_500

/**
 * Makes a zombie of a member that books goods: stops it in the middle of its work, waits until another process has its partitions and
 * works on them, and lets it go on.
 */
export const stopInventory: Trouble = {
  after: 0.1,
  async run(scene) {
    const { fleet, database, say, note, stop } = scene
    const zombie = fleet.first('inventory')
    const { pid } = zombie.child
    const open = await stopInTheMiddle(zombie, scene)
    const fromMs = await databaseMs(database)
    const next = await fleet.start('inventory')
    await fleet.ready(next)
    const giveUpAt = performance.now() + WORK_LIMIT_MS
    while ((await effectsBy(next.child.pid, database)) === 0 && performance.now() < giveUpAt) await pause(100, stop)
    const forS = (((await databaseMs(database)) - fromMs) / 1_000).toFixed(1)
    say(
      `stopped inventory (process ${pid}) with SIGSTOP, ${open} bookings open; ` +
        `after ${forS} s process ${next.child.pid} has its partitions and works on them`,
    )

    zombie.child.signal('SIGCONT')
    const lost = await zombie.waitForLine(
      partitionsLost,
      withPatience(stop, WAKE_LIMIT_MS, `inventory (process ${pid}) does not notice that it was replaced`),
    )
    await sleep(LATE_WORK_MS)
    note({ kind: 'stopped', service: 'inventory', process: pid, fromMs, untilMs: await databaseMs(database) })
    const refused = await zombie.countLines((line) => String(line['message']).startsWith('late work refused'))
    const failed = await zombie.countLines((line) => line['message'] === 'an attempt failed')
    say(
      `woke process ${pid} with SIGCONT: it gave up all ${lost} partitions as lost; of what it had under way ` +
        `PostgreSQL has undone ${open} bookings, ${failed} handlers failed over that, and ${refused} late results were refused`,
    )
  },
}

/** Stops it while it has a transaction open. @returns how many it had; 0 when it never had one for long. */
async function stopInTheMiddle({ child, name }: ServiceProcess, { database, stop }: Scene): Promise<number> {
  const giveUpAt = performance.now() + WORK_LIMIT_MS
  for (;;) {
    child.signal('SIGSTOP')
    await sleep(20) // a statement that it has sent is carried out all the same
    const open = await openTransactions(name, database)
    if (open > 0 || performance.now() > giveUpAt) return open
    child.signal('SIGCONT')
    await pause(10, stop)
  }
}

async function openTransactions(service: string, database: Client): Promise<number> {
  const { rows } = await database.query<{ open: number }>(
    "select count(*)::int as open from pg_stat_activity where application_name = $1 and state = 'idle in transaction'",
    [service],
  )
  return rows[0]!.open
}

async function effectsBy(process: number, database: Client): Promise<number> {
  const { rows } = await database.query<{ done: number }>(
    'select count(*)::int as done from effects where process = $1',
    [process],
  )
  return rows[0]!.done
}

function partitionsLost({ message, partitions }: LogLine): number | undefined {
  return String(message).startsWith('the membership was lost') ? (partitions as unknown[]).length : undefined
}
