// Tells what inventory has decided: after the commit, and only what was committed. The handlers write verdicts, this sends them and notes
// that Kafka has them. The outbox of Holdfast will take its place.
import type { Consumer, InputOf, Logger, Producer } from 'holdfast'
import type { Pool } from 'pg'
import { eventId, inventoryEvents, orderEvents } from '../contracts/index.ts'
import { inTransaction } from '../shared/database.ts'
import type { Part } from '../shared/service.ts'

/** A row of the table `verdicts`. */
export interface Verdict {
  readonly seq: string
  readonly orderId: string
  readonly customerId: string
  readonly verdict: 'reserved' | 'short' | 'returned'
  readonly totalCents: number | null
  readonly missing: string | null
  readonly traceparent: string | null
}

/** What the announcer works with. */
export interface AnnouncerOptions {
  readonly consumer: Pick<Consumer, 'listen'>
  readonly producer: Pick<Producer, 'send'>
  readonly database: Pool
  readonly log: Logger
}

/** When nothing has woken it: for what another process has left behind, or what could not be sent. */
const LOOK_EVERY_MS = 500
const MOST_AT_A_TIME = 50
/** Shorter than a transaction may stand idle: what has no answer by then is sent again, with the same id. */
const SEND_WITHIN_MS = 3_000

// One row of an order at a time, the earliest: it keeps the later ones waiting until it is told, in whichever process that is. Rows that
// another process is telling right now are passed over.
const NEXT = `select seq, order_id as "orderId", customer_id as "customerId", verdict, total_cents as "totalCents", missing_sku as missing, traceparent
from verdicts as next
where announced_at is null and not exists (
  select from verdicts as earlier
  where earlier.order_id = next.order_id and earlier.seq < next.seq and earlier.announced_at is null
)
order by seq limit $1 for update skip locked`

/**
 * Announces verdicts, in the order of each order's rows. It looks when a handler of this process has ended, and else now and then.
 *
 * A crash after Kafka's acknowledgement and before the commit here lets the same events be sent again, with the same ids, by which their
 * readers know them. `close` tells what there is to tell before it returns; what Kafka does not take stays in the table for the next process.
 */
export function createAnnouncer({ consumer, producer, database, log }: AnnouncerOptions): Part {
  let closing = false
  let hinted = false
  let wake = (): void => {}
  let running: Promise<void> | undefined

  const hint = (): void => {
    hinted = true
    wake()
  }
  const untilHinted = (): Promise<void> =>
    new Promise((resolve) => {
      if (hinted) return resolve()
      const timer = setTimeout(resolve, LOOK_EVERY_MS)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  const announceSome = (): Promise<number> =>
    inTransaction(database, async (tx) => {
      const { rows } = await tx.query<Verdict>(NEXT, [MOST_AT_A_TIME])
      if (rows.length === 0) return 0
      const sends = await Promise.allSettled(rows.map((verdict) => announce(producer, verdict)))
      const failed = sends.filter((send) => send.status === 'rejected')
      if (failed.length > 0) log.warn({ events: failed.length, error: String(failed[0]!.reason) }, 'not announced yet')
      const announced = rows.filter((_, i) => sends[i]!.status === 'fulfilled').map(({ seq }) => seq)
      await tx.query('update verdicts set announced_at = clock_timestamp() where seq = any($1::bigint[])', [announced])
      return announced.length
    })

  const run = async (): Promise<void> => {
    for (;;) {
      const isLast = closing // asked before the look: what the last handler has committed is seen by it
      hinted = false
      let announced = 0
      try {
        announced = await announceSome()
      } catch (error) {
        log.warn({ error: String(error) }, 'verdicts could not be announced, and wait')
      }
      if (announced > 0) continue
      if (isLast) return
      await untilHinted()
    }
  }

  return {
    open() {
      consumer.listen('handled', hint)
      running = run()
    },
    async close() {
      closing = true
      hint()
      await running
    },
  }
}

/** Sends the events of a verdict; resolves when Kafka has them all. */
async function announce(producer: Pick<Producer, 'send'>, verdict: Verdict): Promise<void> {
  const { orderId, customerId, traceparent } = verdict
  const options = {
    deliveryTimeoutMs: SEND_WITHIN_MS,
    headers: traceparent === null ? [] : [['traceparent', Buffer.from(traceparent)] as const],
  }
  const event = inventoryEventOf(verdict)
  const sends = [producer.send(inventoryEvents, event, { ...options, id: eventId(event) })]
  if (verdict.verdict === 'short') {
    const cancelled = { type: 'order.cancelled', orderId, customerId, reason: 'out-of-stock' } as const
    sends.push(producer.send(orderEvents, cancelled, { ...options, id: eventId(cancelled) }))
  }
  await Promise.all(sends)
}

function inventoryEventOf({ verdict, orderId, customerId, totalCents, missing }: Verdict): InventoryEvent {
  switch (verdict) {
    case 'reserved':
      return { type: 'inventory.reserved', orderId, customerId, totalCents: totalCents! }
    case 'short':
      return { type: 'inventory.short', orderId, sku: missing! }
    case 'returned':
      return { type: 'inventory.returned', orderId }
  }
}

type InventoryEvent = InputOf<typeof inventoryEvents>
