import { MOST_IN_HANDLERS } from '../duties.ts'
import { withPatience } from '../stopping.ts'
import { crashAtFailpoint } from './crash-at-failpoint.ts'
import type { Scene } from './trouble.ts'
import { databaseMs } from './trouble.ts'

const SERVICE = 'order-api'
const START_LIMIT_MS = 90_000

/** A step of an order's transaction, and how it is told of. */
const STEPS = {
  'outbox:before-commit': 'between the rows of an order and their commit',
  'outbox:committed': 'between the commit of an order and all that follows: no relay was woken, no answer given',
} as const

/** Kills the order API in the middle of an order, and starts it again where it was: customers who have no answer ask once more, or give up. */
export async function killOrderApi(failpoint: keyof typeof STEPS, scene: Scene): Promise<void> {
  const { fleet, database, api, moreOrders, note, say, stop } = scene
  const victim = fleet.first(SERVICE)
  const { pid } = victim.child
  moreOrders() // those that there were may all be placed by now
  const cameBy = await crashAtFailpoint(victim, failpoint, scene)
  const mostInHandlers = MOST_IN_HANDLERS[SERVICE]
  note({ kind: 'killed', service: SERVICE, process: pid, mostInHandlers, atMs: await databaseMs(database) })
  await victim.stop()
  const next = await fleet.start(SERVICE, new URL(api).port)
  const where = cameBy ? STEPS[failpoint] : 'while nobody ordered anything'
  say(`killed ${SERVICE} (process ${pid}) with SIGKILL ${where}; started it again`)
  // It takes orders as soon as it listens; the partitions of the one before it come later.
  await next.waitForLine(
    (line) => line['message'] === 'listening' || undefined,
    withPatience(stop, START_LIMIT_MS, `${SERVICE} does not come up again`),
  )
}
