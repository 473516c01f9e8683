import { defineTopic } from 'holdfast'
import { z } from 'zod'

/** A line of an order. */
export const Item = z.object({ sku: z.string().min(1).max(50), quantity: z.int().min(1).max(1_000) })

const orderId = z.string().min(1).max(100)

/**
 * The life of an order, told by whoever moves it on: created → confirmed → shipped → delivered, or created → cancelled.
 *
 * The key is the order: all events of one order stand on one partition, in the order in which they happened.
 */
export const orderEvents = defineTopic({
  name: 'order-events',
  schema: z.discriminatedUnion('type', [
    z.object({
      type: z.literal('order.created'),
      orderId,
      customerId: z.string().min(1).max(100),
      items: z.array(Item).min(1).max(50),
      totalCents: z.int().min(0),
    }),
    z.object({ type: z.literal('order.confirmed'), orderId, customerId: z.string() }),
    z.object({ type: z.literal('order.shipped'), orderId, customerId: z.string() }),
    z.object({ type: z.literal('order.delivered'), orderId, customerId: z.string() }),
    z.object({
      type: z.literal('order.cancelled'),
      orderId,
      customerId: z.string(),
      reason: z.enum(['out-of-stock', 'payment-declined']),
    }),
  ]),
  key: (event) => event.orderId,
})
