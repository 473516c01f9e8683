import type { SendableTopic, StandardSchema } from '../../../src/topic/index.ts'
import { defineTopic } from '../../../src/topic/index.ts'

/** What is enqueued. */
export interface Deed {
  readonly id: number
  readonly by: string
  /** Makes it too large. */
  readonly pad?: string
}

/** Takes what is there, so that millions of schedules need not pay for a schema. */
const anything: StandardSchema<Deed> = {
  '~standard': { version: 1, vendor: 'simulation', validate: (value) => ({ value: value as Deed }) },
}

export const orders: SendableTopic<Deed, Deed> = defineTopic({ name: 'orders', schema: anything, key: ({ by }) => by })
/** Without keys. */
export const views: SendableTopic<Deed, Deed> = defineTopic({ name: 'views', schema: anything, key: 'none' })
/** Is not there at first. */
export const plans: SendableTopic<Deed, Deed> = defineTopic({ name: 'plans', schema: anything, key: ({ by }) => by })

/** A batch of more bytes than this is refused. */
export const MOST_BYTES = 900
export const TOO_LARGE: string = 'x'.repeat(MOST_BYTES)
