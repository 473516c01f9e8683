import { defineTopic } from 'holdfast'
import { z } from 'zod'

/** What became of the goods of an order. `reserved` carries what the payment needs, so that nobody has to ask back. */
export const inventoryEvents = defineTopic({
  name: 'inventory-events',
  schema: z.discriminatedUnion('type', [
    z.object({
      type: z.literal('inventory.reserved'),
      orderId: z.string(),
      customerId: z.string(),
      totalCents: z.int().min(0),
    }),
    z.object({ type: z.literal('inventory.short'), orderId: z.string(), sku: z.string() }),
    z.object({ type: z.literal('inventory.returned'), orderId: z.string() }),
  ]),
  key: (event) => event.orderId,
})
