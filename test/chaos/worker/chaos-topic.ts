import { z } from 'zod'
import { defineTopic } from '../../../src/topic/index.ts'

/** The payload of a run's messages. */
export const chaosTopic = (name: string) =>
  defineTopic({
    name,
    schema: z.object({ value: z.string(), key: z.string(), canary: z.string(), pad: z.string().optional() }),
    key: (message) => message.key,
  })
