// Checked by `npm run test:types`: each line below compiles, or has an error exactly where one is expected.
import { type } from 'arktype'
import * as v from 'valibot'
import { z } from 'zod'
import type { Producer } from '../../src/producer/index.ts'
import { bytes, defineTopic } from '../../src/topic/index.ts'

declare const producer: Producer

const orders = defineTopic({
  name: 'orders',
  schema: z.discriminatedUnion('type', [
    z.object({ type: z.literal('created'), id: z.string(), total: z.coerce.number() }),
    z.object({ type: z.literal('cancelled'), id: z.string(), at: z.string().transform((text) => text.length) }),
  ]),
  key: (event) => event.id,
})
const payments = defineTopic({ name: 'payments', schema: v.object({ id: v.string() }), key: (event) => event.id })
const stock = defineTopic({
  name: 'stock',
  schema: type({ sku: 'string', count: 'string.numeric.parse' }),
  key: (event) => event.sku,
})
const files = defineTopic({ name: 'files', codec: bytes(), key: 'none' })
const audit = defineTopic({ name: 'audit', schema: z.object({ at: z.number() }) })

// send takes the schema's input
void producer.send(orders, { type: 'created', id: 'o-1', total: 5 })
void producer.send(orders, { type: 'cancelled', id: 'o-1', at: 'noon' }, { id: 'event-1', headers: { tenant: 'a' } })
void producer.send(stock, { sku: 's-1', count: '5' })
void producer.send(files, new Uint8Array(3))
void producer.sendTombstone(audit, 'key')
// @ts-expect-error the output is no input
void producer.send(stock, { sku: 's-1', count: 5 })
// @ts-expect-error a field of the other kind
void producer.send(orders, { type: 'created', id: 'o-1', total: 5, at: 'noon' })
// @ts-expect-error it is only read: it has no key
void producer.send(audit, { at: 5 })

// sendMany checks each value against its own topic
void producer.sendMany([
  { topic: orders, value: { type: 'cancelled', id: 'o-1', at: 'noon' } },
  { topic: payments, value: { id: 'p-1' }, id: 'event-2' },
])
void producer.sendMany([
  { topic: orders, value: { type: 'cancelled', id: 'o-1', at: 'noon' } },
  // @ts-expect-error the id is a text
  { topic: payments, value: { id: 5 } },
])
// @ts-expect-error it is only read
void producer.sendMany([{ topic: audit, value: { at: 5 } }])

// and lists that are mapped, joined or mixed
const ids = ['1', '2']
const somePayments = ids.map((id) => ({ topic: payments, value: { id } }))
const someStock = ids.map((sku) => ({ topic: stock, value: { sku, count: '1' } }))
void producer.sendMany(somePayments)
void producer.sendMany([...somePayments, ...someStock, { topic: files, value: new Uint8Array() }])
void producer.sendMany(
  ids.map((id) => (id === '1' ? { topic: payments, value: { id } } : { topic: stock, value: { sku: id, count: '1' } })),
)
// @ts-expect-error the count is a text
void producer.sendMany(ids.map((sku) => ({ topic: stock, value: { sku, count: 1 } })))

// transactions too
void producer.transaction(async (transaction) => {
  await transaction.send(payments, { id: 'p-1' })
  await transaction.sendMany([{ topic: stock, value: { sku: 's', count: '1' } }])
  // @ts-expect-error the id is a text
  await transaction.sendMany([{ topic: payments, value: { id: 1 } }])
})
