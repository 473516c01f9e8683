// Takes orders over HTTP and shows how they fare. An order and the event that tells of it are written in one transaction, and the order is answered
// for when that has committed: there is no moment in which a crash could leave a row without its event, or an event without its row. Kafka is
// not asked; what becomes of the order afterwards comes from the events.
import { randomUUID } from 'node:crypto'
import Fastify from 'fastify'
import { HoldfastError } from 'holdfast'
import { z } from 'zod'
import { Item, notificationEvents, orderEvents } from '../contracts/index.ts'
import { PRICES_IN_CENTS } from '../shared/catalogue.ts'
import { recordEffect } from '../shared/database.ts'
import { createServiceOutbox } from '../shared/outbox.ts'
import { createService } from '../shared/service.ts'
import { placeOrder } from './place-order.ts'

const service = createService('order-api', {
  concurrency: 4, // each in a transaction
  connections: 10, // four for these, the inbox's two, the relay's two, and two for requests
})
const { configuration, consumer, database, inbox, log, start } = service
const { outbox, relay, sending } = createServiceOutbox(service)

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
  try {
    const outcome = await placeOrder(outbox, { orderId, customerId, items, totalCents })
    if (outcome === 'other') return reply.code(409).send({ orderId, error: 'this order id stands for another order' })
  } catch (error) {
    if (HoldfastError.is(error, 'HOLDFAST_MESSAGE_INVALID')) return reply.code(400).send({ problems: error.problems })
    // The answer to a commit may be what was lost. The same order id finds out, so the client simply repeats.
    const { code } = error as { readonly code?: string }
    log.error({ code, orderId }, 'an order could not be accepted')
    return reply.code(503).header('retry-after', '1').send({ orderId, error: 'the order could not be stored' })
  }
  return reply.code(202).header('location', `/orders/${orderId}`).send({ orderId, totalCents })
})

http.get<{ Params: { id: string } }>('/orders/:id', async (request, reply) => {
  const order = await database.query('select order_id, customer_id, state, reason from orders where order_id = $1', [
    request.params.id,
  ])
  if (order.rows[0] === undefined) return reply.code(404).send({ error: 'no such order' })
  const history = await database.query(
    'select type, detail, happened_at from order_history where order_id = $1 order by happened_at, seq',
    [request.params.id],
  )
  return { ...order.rows[0], history: history.rows }
})

http.get('/health', (_, reply) => {
  const reading = consumer.health()
  const relaying = relay.health()
  const reasons = [...reading.reasons, ...relaying.reasons]
  const { buckets, underWay, published, outbox: waiting } = relaying
  return reply.code(reasons.length === 0 ? 200 : 503).send({
    status: reasons.length === 0 ? 'healthy' : 'unhealthy',
    reasons,
    relay: { buckets, underWay, published, outbox: waiting },
  })
})

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
    await context.tx.query(ADD_HISTORY, [message.id, event.orderId, event.type, reason, message.time])
    await context.tx.query('update orders set state = $2, rank = $3, reason = $4 where order_id = $1 and rank < $3', [
      event.orderId,
      state,
      RANK[state],
      reason,
    ])
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
  after: sending,
})
