import type { Client } from 'pg'
import { epitaph } from '../service-processes.ts'
import { orStopped, pause, withPatience } from '../stopping.ts'
import type { Trouble } from './trouble.ts'

/** The service that members join and leave. */
export const SCALED = 'notification'

const ENOUGH_MAILS = 10
const WORK_LIMIT_MS = 10_000
const LEAVE_LIMIT_MS = 30_000

/** Adds a second and a third member to a service that cannot take its mails back, and takes them away again when all have worked. */
export const scaleNotification: Trouble = {
  after: 0.68,
  async run({ fleet, database, moreOrders, say, stop }) {
    const first = fleet.first(SCALED)
    const added = [await fleet.start(SCALED), await fleet.start(SCALED)]
    for (const service of added) await fleet.ready(service)
    moreOrders() // for three: those that were there when they joined may be done by now
    const pids = [first, ...added].map(({ child }) => child.pid)

    const giveUpAt = performance.now() + WORK_LIMIT_MS // too few orders: then it is no more than a rebalance
    let mails = await mailsBy(pids, database)
    while (mails.some((each) => each < ENOUGH_MAILS) && performance.now() < giveUpAt) {
      await pause(200, stop)
      mails = await mailsBy(pids, database)
    }
    for (const service of added) {
      fleet.letGo(service)
      service.child.signal('SIGTERM')
      const patience = withPatience(stop, LEAVE_LIMIT_MS, `${SCALED} does not end on SIGTERM`)
      const { code } = await orStopped(service.child.exited, patience)
      if (code !== 0) throw new Error(await epitaph(SCALED, service.child))
      await service.stop()
    }
    const shares = (await mailsBy(pids, database)).join(', ')
    say(`added two members to ${SCALED} and took them away with SIGTERM; mails by each of the three: ${shares}`)
  },
}

async function mailsBy(pids: readonly number[], database: Client): Promise<readonly number[]> {
  const { rows } = await database.query<{ process: number; mails: number }>(
    'select process, count(*)::int as mails from effects where service = $1 group by process',
    [SCALED],
  )
  return pids.map((pid) => rows.find(({ process }) => process === pid)?.mails ?? 0)
}
