import { defineTopic } from 'holdfast'
import { z } from 'zod'

/** Which customers were told what. */
export const notificationEvents = defineTopic({
  name: 'notification-events',
  schema: z.object({ type: z.literal('notification.sent'), orderId: z.string(), about: z.string() }),
  key: (event) => event.orderId,
})
