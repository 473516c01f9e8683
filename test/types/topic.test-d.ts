// Checked by `npm run test:types`: each line below compiles, or has an error exactly where one is expected.
import { type } from 'arktype'
import * as v from 'valibot'
import { expectTypeOf } from 'vitest'
import { z } from 'zod'
import type { SendableTopic, Topic } from '../../src/topic/index.ts'
import { bytes, decodeMessage, defineTopic, json } from '../../src/topic/index.ts'
import type { InboundRecord } from '../../src/record/index.ts'

declare const record: InboundRecord

// zod: input and output differ; the key sees the output.
const orders = defineTopic({
  name: 'orders',
  schema: z.discriminatedUnion('type', [
    z.object({ type: z.literal('created'), orderId: z.string(), total: z.string().transform(Number) }),
    z.object({ type: z.literal('cancelled'), orderId: z.string(), reason: z.string().default('none') }),
  ]),
  key: (event) => {
    if (event.type === 'created') expectTypeOf(event.total).toEqualTypeOf<number>()
    else expectTypeOf(event.reason).toEqualTypeOf<string>()
    return event.orderId
  },
})
type OrderInput =
  | { type: 'created'; orderId: string; total: string }
  | { type: 'cancelled'; orderId: string; reason?: string | undefined }
type OrderOutput =
  { type: 'created'; orderId: string; total: number } | { type: 'cancelled'; orderId: string; reason: string }
expectTypeOf(orders).toExtend<SendableTopic<OrderInput, OrderOutput>>()
expectTypeOf(decodeMessage(orders, record)).toEqualTypeOf<OrderOutput | Promise<OrderOutput>>()

// valibot
const payments = defineTopic({ name: 'payments', schema: v.object({ id: v.string() }), key: ({ id }) => id })
expectTypeOf(payments).toEqualTypeOf<SendableTopic<{ id: string }, { id: string }>>()

// arktype
const stock = defineTopic({
  name: 'stock',
  schema: type({ sku: 'string', count: 'string.numeric.parse' }),
  key: ({ sku, count }) => `${sku}-${count.toFixed()}`,
})
expectTypeOf(stock).toEqualTypeOf<SendableTopic<{ sku: string; count: string }, { sku: string; count: number }>>()

// Without a key it can be read only.
const audit = defineTopic({ name: 'audit', schema: z.object({ at: z.number() }) })
expectTypeOf(audit).toEqualTypeOf<Topic<{ at: number }, { at: number }>>()
// @ts-expect-error it has said no key
audit satisfies SendableTopic<{ at: number }, { at: number }>

// Bytes need no schema; JSON, which can be anything, does.
const files = defineTopic({ name: 'files', codec: bytes(), key: 'none' })
expectTypeOf(files).toEqualTypeOf<SendableTopic<Uint8Array, Uint8Array>>()
// @ts-expect-error the type of its values is unknown
defineTopic({ name: 'anything', codec: json(), key: 'none' })
// @ts-expect-error neither schema nor codec
defineTopic({ name: 'nothing', key: 'none' })
// @ts-expect-error a number is no key
defineTopic({ name: 'numbered', schema: z.object({ id: z.number() }), key: (event) => event.id })
