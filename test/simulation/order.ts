import type { SendableTopic, StandardSchema } from '../../src/topic/index.ts'
import { defineTopic } from '../../src/topic/index.ts'

/** What all scenarios send and handle. */
export interface Order {
  readonly id: number
}

/** Takes what is there, so that millions of schedules need not pay for a schema. */
const anything: StandardSchema<Order> = {
  '~standard': { version: 1, vendor: 'simulation', validate: (value) => ({ value: value as Order }) },
}

/** A topic of orders whose key says who has ordered: `customerOf` their id. */
export function orderTopic(name: string): SendableTopic<Order, Order> {
  return defineTopic({ name, schema: anything, key: ({ id }) => customerOf(id) })
}

/** One whose orders may be handled in any order. */
export function keylessOrderTopic(name: string): SendableTopic<Order, Order> {
  return defineTopic({ name, schema: anything, key: 'none' })
}

/** Few, so that they meet. */
const CUSTOMERS = 4

export function customerOf(id: number): string {
  return `k${id % CUSTOMERS}`
}

export function orderBytes(id: number): Uint8Array {
  return Buffer.from(JSON.stringify({ id }))
}

export function orderOf(value: Uint8Array): Order {
  return JSON.parse(Buffer.from(value).toString()) as Order
}
