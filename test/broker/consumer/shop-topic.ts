import { z } from 'zod'
import { defineTopic } from '../../../src/topic/index.ts'

/** The topic that these tests handle, under a name of their own. */
export const ordersTopic = (name: string) =>
  defineTopic({ name, schema: z.object({ id: z.string(), pad: z.string().optional() }), key: (order) => order.id })

/** Short enough for a test to wait for, long enough for a busy machine. */
export const TIMING = {
  sessionTimeoutMs: 6_000,
  heartbeatIntervalMs: 500,
  rebalanceTimeoutMs: 20_000,
  drainTimeoutMs: 5_000,
} as const
