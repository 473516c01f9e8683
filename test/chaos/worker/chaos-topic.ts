import { z } from 'zod'
import type { SendableTopic } from '../../../src/topic/index.ts'
import { defineTopic } from '../../../src/topic/index.ts'

/** The payload of a run's messages. */
export interface ChaosPayload {
  readonly value: string
  readonly key: string
  readonly canary: string
  readonly pad?: string | undefined
}

/** The topic of a run. */
export const chaosTopic = (name: string): SendableTopic<ChaosPayload, ChaosPayload> =>
  defineTopic({
    name,
    schema: z.object({ value: z.string(), key: z.string(), canary: z.string(), pad: z.string().optional() }),
    key: (message) => message.key,
  })
