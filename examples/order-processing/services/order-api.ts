// Takes orders over HTTP and shows how they fare. An order is an event first: it is answered for when Kafka has it on all in-sync
// replicas, and the tables that GET reads are filled from the events alone. So there is no moment in which a crash could leave a
// row without its event, or an event without its row.
import { randomUUID } from 'node:crypto'
import Fastify from 'fastify'
import { HoldfastError } from 'holdfast'
import { z } from 'zod'
import { eventId, Item, notificationEvents, orderEvents } from '../contracts/index.ts'
import { PRICES_IN_CENTS } from '../shared/catalogue.ts'
import { recordEffect } from '../shared/database.ts'
import { createService } from '../shared/service.ts'

const { configuration, consumer, database, inbox, log, producer, start } = createService('order-api')

const NewOrder = z.strictObject({
  /** Give one, and repeating the request after a lost answer orders once. It belongs to what was first ordered with it. */
  orderId: z
    .string()
    .regex(/^[\w-]{1,64}$/)
    .optional(),
  customerId: z.string().min(1).max(100),
  items: z
    .array(Item.refine((item) => Object.hasOwn(PRICES_IN_CENTS, item.sku), { path: ['sku'], error: 'no such article' }))
    .min(1)
    .max(50),
})

const http = Fastify({ logger: false, bodyLimit: 64 * 1024 })

http.post('/orders', async (request, reply) => {
  const parsed = NewOrder.safeParse(request.body)
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => ({ path: issue.path.join('.'), message: issue.message }))
    return reply.code(400).send({ problems })
  }
  const { orderId = randomUUID(), customerId, items } = parsed.data
  const totalCents = items.reduce((sum, item) => sum + item.quantity * PRICES_IN_CENTS[item.sku]!, 0)
  if (parsed.data.orderId !== undefined && (await isAnotherOrder(orderId, customerId, items))) {
    return reply.code(409).send({ orderId, error: 'this order id stands for another order' })
  }
  const created = { type: 'order.created', orderId, customerId, items, totalCents } as const
  try {
    await producer.send(orderEvents, created, { id: eventId(created), deliveryTimeoutMs: 10_000 })
  } catch (error) {
    // Also when the outcome is unknown: the same order id makes the same event id, so the client simply repeats.
    if (!HoldfastError.is(error)) throw error
    log.error({ code: error.code, orderId }, 'an order could not be accepted')
    if (error.code === 'HOLDFAST_MESSAGE_INVALID') return reply.code(400).send({ problems: error.problems })
    return reply.code(503).header('retry-after', '1').send({ orderId, error: error.code })
  }
  return reply.code(202).header('location', `/orders/${orderId}`).send({ orderId, totalCents })
})

http.get<{ Params: { id: string } }>('/orders/:id', async (request, reply) => {
  const order = await database.query('select order_id, customer_id, state, reason from orders where order_id = $1', [
    request.params.id,
  ])
  if (order.rows[0] === undefined) return reply.code(404).send({ error: 'no such order, or not yet' })
  const history = await database.query(
    'select type, detail, happened_at from order_history where order_id = $1 order by happened_at, seq',
    [request.params.id],
  )
  return { ...order.rows[0], history: history.rows }
})

http.get('/health', (_, reply) => {
  const health = consumer.health()
  return reply.code(health.status === 'healthy' ? 200 : 503).send({ status: health.status, reasons: health.reasons })
})

/**
 * Was something else ordered with this id? Only the row can tell, and that follows its event by moments: of two different orders that
 * come with one id at once both are answered with 202, and the first on the log is the order.
 */
async function isAnotherOrder(orderId: string, customerId: string, items: unknown): Promise<boolean> {
  const found = await database.query<{ is_same: boolean | null }>(
    'select customer_id = $2 and items = $3::jsonb as is_same from orders where order_id = $1',
    [orderId, customerId, JSON.stringify(items)],
  )
  return found.rows[0]?.is_same === false
}

const ADD_HISTORY =
  'insert into order_history (event_id, order_id, type, detail, happened_at) values ($1, $2, $3, $4, $5)'

// Rows and mark are one transaction: an event that comes again is not seen here. A state only ever moves forward, whatever an operator replays.
const RANK = { created: 0, confirmed: 1, shipped: 2, delivered: 3, cancelled: 3 } as const

consumer.on(
  orderEvents,
  async (message, context) => {
    const event = message.value
    const state = event.type.slice('order.'.length) as keyof typeof RANK
    const reason = event.type === 'order.cancelled' ? event.reason : null
    const items = event.type === 'order.created' ? JSON.stringify(event.items) : null
    await context.tx.query(ADD_HISTORY, [message.id, event.orderId, event.type, reason, message.time])
    await context.tx.query(
      `insert into orders (order_id, customer_id, items, state, rank, reason) values ($1, $2, $3, $4, $5, $6)
       on conflict (order_id) do update set state = excluded.state, rank = excluded.rank, reason = excluded.reason
       where orders.rank < excluded.rank`,
      [event.orderId, event.customerId, items, state, RANK[state], reason],
    )
    await recordEffect(context.tx, 'order-api', message, context)
  },
  { inbox },
)

consumer.on(
  notificationEvents,
  async (message, context) => {
    const { type, orderId, about } = message.value
    await context.tx.query(ADD_HISTORY, [message.id, orderId, type, about, message.time])
    await recordEffect(context.tx, 'order-api', message, context)
  },
  { inbox },
)

await start({
  before: {
    async open() {
      const address = await http.listen({ port: configuration.port, host: '127.0.0.1' })
      log.info({ address }, 'listening')
    },
    close: () => http.close(),
  },
})
