import type { Client } from 'pg'
import { killInTheMiddle } from './kill-in-the-middle.ts'
import type { Trouble } from './trouble.ts'
import { counted } from './trouble.ts'

/** Kills the service whose effect cannot be taken back when that is worst, and starts it again: money is taken, and no row says so. */
export const killPayment: Trouble = {
  after: 0.18,
  run: (scene) =>
    killInTheMiddle(
      'payment',
      () => chargedWithoutRow(scene.database),
      ({ length }) => `after ${counted(length, 'charge')} that no row of its own told of yet`,
      scene,
    ),
}

/** The orders of which the gateway has said something that the payment's row does not know yet. */
async function chargedWithoutRow(database: Client): Promise<readonly string[]> {
  const { rows } = await database.query<{ order_id: string }>(
    "select order_id from gateway_charges join payments using (order_id) where payments.state = 'pending'",
  )
  return rows.map((row) => row.order_id)
}
