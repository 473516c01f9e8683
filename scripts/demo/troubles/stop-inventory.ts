import type { Client } from 'pg'
import { MOST_IN_HANDLERS } from '../duties.ts'
import type { LogLine } from '../service-processes.ts'
import { pause, withPatience } from '../stopping.ts'
import { stopInTheMiddle } from './stop-in-the-middle.ts'
import type { Trouble } from './trouble.ts'
import { counted, databaseMs } from './trouble.ts'

/** Too few orders, and nobody has anything to do: then it is no more than a rebalance. */
const WORK_LIMIT_MS = 8_000
const WAKE_LIMIT_MS = 30_000
/** What it had under way is a few round trips to the database and one to Kafka. */
const LATE_WORK_LIMIT_MS = 30_000

/**
 * Makes a zombie of a member that books goods: stops it in the middle of its work, waits until another process has its partitions and
 * works on them, and lets it go on.
 */
export const stopInventory: Trouble = {
  after: 0.03,
  async run(scene) {
    const { fleet, database, say, note, stop } = scene
    const zombie = fleet.first('inventory')
    const { pid } = zombie.child
    const bookings = await stopInTheMiddle(zombie, () => openBookings(database), stop)
    const fromMs = await databaseMs(database)
    const next = await fleet.start('inventory')
    await fleet.ready(next)
    const giveUpAt = performance.now() + WORK_LIMIT_MS
    while ((await effectsBy(next.child.pid, database)) === 0 && performance.now() < giveUpAt) await pause(100, stop)
    const forS = (((await databaseMs(database)) - fromMs) / 1_000).toFixed(1)
    say(
      `stopped inventory (process ${pid}) with SIGSTOP in the middle of ${counted(bookings.length, 'booking')}; ` +
        `after ${forS} s process ${next.child.pid} has its partitions and works on them`,
    )

    const open = await openBookings(database)
    const undone = bookings.filter((each) => !open.includes(each)).length
    const wokenAt = new Date().toISOString()
    const later = ({ time }: LogLine): boolean => String(time) >= wokenAt
    zombie.child.signal('SIGCONT')
    const lost = await zombie.waitForLine(
      (line) => (later(line) ? partitionsLost(line) : undefined),
      withPatience(stop, WAKE_LIMIT_MS, `inventory (process ${pid}) does not notice that it was replaced`),
    )
    const underWay = await zombie.waitForLine(
      (line) => (later(line) ? recordsEnded(line) : undefined),
      withPatience(stop, LATE_WORK_LIMIT_MS, `inventory (process ${pid}) comes to no end with its late work`),
    )
    const untilMs = await databaseMs(database)
    const mostInHandlers = MOST_IN_HANDLERS.inventory
    note({ kind: 'stopped', service: 'inventory', process: pid, mostInHandlers, fromMs, untilMs })
    const refused = await zombie.countLines(
      (line) => later(line) && String(line['message']).startsWith('late work refused'),
    )
    say(
      `woke process ${pid} with SIGCONT: it let go of its ${lost} partitions; of ${counted(underWay, 'record')} under way ` +
        `PostgreSQL had undone ${counted(undone, 'booking')}; refused as late: ${counted(refused, 'result')}, none of them committed`,
    )
  },
}

/** The database sessions in which inventory has marked a message, and is not done with it: a booking, or the look at one. */
async function openBookings(database: Client): Promise<readonly number[]> {
  const { rows } = await database.query<{ pid: number }>(
    `select distinct activity.pid from pg_stat_activity as activity join pg_locks as held using (pid)
     where application_name = 'inventory' and state = 'idle in transaction'
       and held.relation = 'inventory_inbox'::regclass and held.mode = 'RowExclusiveLock'`,
  )
  return rows.map(({ pid }) => pid)
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

function recordsEnded({ message, records }: LogLine): number | undefined {
  return String(message).startsWith('what was under way when') ? (records as number) : undefined
}
