import { defineTopic } from 'holdfast'
import { z } from 'zod'

const payment = { orderId: z.string(), customerId: z.string(), amountCents: z.int().min(0) }

/** What became of the payment of an order. */
export const paymentEvents = defineTopic({
  name: 'payment-events',
  schema: z.discriminatedUnion('type', [
    z.object({ type: z.literal('payment.completed'), ...payment }),
    z.object({ type: z.literal('payment.declined'), ...payment }),
  ]),
  key: (event) => event.orderId,
})
