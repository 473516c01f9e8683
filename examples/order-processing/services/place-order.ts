// Where an order comes to be: its row and the event that tells of it are one transaction.
import type { InputOf, Outbox } from 'holdfast'
import type { PoolClient } from 'pg'
import { eventId, orderEvents } from '../contracts/index.ts'
import { repeated } from '../shared/database.ts'

/** An order that somebody wants to place. */
export type NewOrder = Omit<Extract<InputOf<typeof orderEvents>, { readonly type: 'order.created' }>, 'type'>

/**
 * Stores an order with its event: both are there when this resolves, or neither.
 *
 * @returns `placed`; `known` when this very order was placed before, by a request whose answer was lost perhaps; `other` when its id stands for another
 * order. Of two that come at once with one id, the second waits until the first has come to its end, and is told the truth.
 * @throws HOLDFAST_MESSAGE_INVALID, and what the database says: then it is not known whether the order was placed, and to ask again is safe.
 */
export function placeOrder(outbox: Outbox<PoolClient>, order: NewOrder): Promise<'placed' | 'known' | 'other'> {
  const { orderId, customerId, items } = order
  const created = { type: 'order.created', ...order } as const
  return repeated(() =>
    outbox.transaction(async (tx) => {
      const row = [orderId, customerId, JSON.stringify(items)]
      const { rowCount } = await tx.query(
        `insert into orders (order_id, customer_id, items, state, rank) values ($1, $2, $3, 'created', 0)
         on conflict (order_id) do nothing`,
        row,
      )
      if (rowCount === 0) {
        const { rows } = await tx.query<{ same: boolean }>(
          'select customer_id = $2 and items = $3::jsonb as same from orders where order_id = $1',
          row,
        )
        return rows[0]!.same ? 'known' : 'other'
      }
      // Last: from here to the commit others who tell of this order would wait.
      await outbox.enqueue(tx, orderEvents, created, { id: eventId(created) })
      return 'placed'
    }),
  )
}
