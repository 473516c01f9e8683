import type { Admin } from 'kafkajs'
import type { Client } from 'pg'
import type { Lag } from './cluster.ts'
import { lags } from './cluster.ts'
import type { Placing } from './place-orders.ts'
import type { ProgressLine } from './progress.ts'
import type { Fleet } from './fleet.ts'
import { epitaph } from './service-processes.ts'
import { pause } from './stopping.ts'
import { readCounts } from './tables.ts'

/** What is watched, and what is done to it on the way. */
export interface Watch {
  readonly database: Client
  readonly admin: Admin
  readonly placing: Placing
  readonly fleet: Fleet
  readonly progress: ProgressLine
  readonly stop: AbortSignal
  /** How many orders will be placed. */
  readonly orders: number
  /** What happens on the way, one after the other. */
  readonly troubles: readonly Happening[]
}

/** Something that happens once, when so many orders have been placed. */
export interface Happening {
  readonly afterOrders: number
  happen(): Promise<void>
}

/** How the watch ended. */
export interface Watched {
  /** What did not come to rest; empty when all did. */
  readonly hanging: readonly string[]
}

const LOOK_EVERY_MS = 500
/** Nothing at all has moved for so long: something hangs. Far beyond the 6 s that a killed member's partitions wait. */
const STALL_LIMIT_MS = 45_000

/**
 * Shows how far the orders are, lets the troubles happen, and returns when these are over, every accepted order has ended and every
 * group has read and committed everything and no row is left to be sent, or when nothing moves any more.
 *
 * @throws Error when a service ends by itself, a trouble does not go as planned, or the placing of the orders fails or hangs.
 */
export async function watchUntilRest(watch: Watch): Promise<Watched> {
  const { placing, progress, stop, orders } = watch
  const waiting = [...watch.troubles]
  let happening: Promise<void> | null = null
  let trouble: { readonly error: unknown } | null = null
  let ends = ''
  let calmLooks = 0
  let state = ''
  let movedAt = performance.now()
  for (;;) {
    stop.throwIfAborted()
    for (const { name, child } of watch.fleet.running) {
      if (child.exit !== undefined) throw new Error(await epitaph(name, child))
    }
    if (placing.done) await placing.finished // throws what went wrong with it

    if (trouble !== null) throw (trouble as { readonly error: unknown }).error

    const { delivered, cancelled, open, parked, unsent } = await readCounts(watch.database)
    const now = await lags(watch.admin)
    const behind = now.lags.reduce((sum, lag) => sum + lag.behind, 0n)
    const ended = delivered + cancelled
    progress.update(
      `orders ${placing.placed}/${orders}  delivered ${delivered}  cancelled ${cancelled}  parked ${parked}  behind ${behind} records`,
    )

    if (happening === null && waiting[0] !== undefined && placing.placed >= waiting[0].afterOrders) {
      happening = waiting
        .shift()!
        .happen()
        .catch((error: unknown) => void (trouble = { error }))
        .finally(() => (happening = null))
    }

    // Two more looks in which no log has grown: no event is on its way any more.
    const isAtRest =
      happening === null &&
      waiting.length === 0 &&
      placing.done &&
      behind === 0n &&
      unsent === 0 &&
      open === 0 &&
      ended >= placing.accepted.length
    calmLooks = isAtRest && now.ends === ends ? calmLooks + 1 : 0
    ends = now.ends
    if (calmLooks === 2) return { hanging: [] }

    const newState = [placing.placed, ended, behind, unsent, ends].join()
    if (newState !== state) movedAt = performance.now()
    state = newState
    if (performance.now() - movedAt > STALL_LIMIT_MS) {
      if (!placing.done) throw new Error(`the order API has not answered for ${STALL_LIMIT_MS / 1000} s`)
      const hanging = await whatHangs(watch.database, placing.accepted, now.lags)
      return { hanging: [`nothing has moved for ${STALL_LIMIT_MS / 1000} s`, ...hanging] }
    }
    await pause(LOOK_EVERY_MS, stop)
  }
}

async function whatHangs(
  database: Client,
  accepted: readonly string[],
  groups: readonly Lag[],
): Promise<readonly string[]> {
  const { rows } = await database.query<{ order_id: string; state: string }>(
    "select order_id, state from orders where state in ('delivered', 'cancelled')",
  )
  const ended = new Set(rows.map((row) => row.order_id))
  const open = accepted.filter((orderId) => !ended.has(orderId))
  const { unsent } = await readCounts(database)
  return [
    ...(open.length === 0 ? [] : [`${open.length} orders have not ended: ${open.slice(0, 5).join(', ')}`]),
    ...(unsent === 0 ? [] : [`${unsent} rows of the outbox are not sent`]),
    ...groups.filter(({ behind }) => behind > 0n).map(({ group, behind }) => `${group} is ${behind} records behind`),
  ]
}
