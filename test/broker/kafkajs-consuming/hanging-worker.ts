import { z } from 'zod'
import { createConsumer } from '../../../src/consumer/index.ts'
import { kafkajsDriver } from '../../../src/driver/kafkajs/index.ts'
import { defineTopic } from '../../../src/topic/index.ts'

// A service in a process of its own, to be killed while its first message is in the handler.
const { BROKERS, TOPIC, GROUP } = process.env as Record<'BROKERS' | 'TOPIC' | 'GROUP', string>

const consumer = createConsumer({
  driver: kafkajsDriver({ clientId: 'worker', brokers: BROKERS.split(',') }),
  groupId: GROUP,
  startAt: 'latest',
  sessionTimeoutMs: 1_000, // the next member waits for it
  heartbeatIntervalMs: 200,
}).on(
  defineTopic({ name: TOPIC, schema: z.number(), key: 'none' }),
  ({ value }) => {
    process.stdout.write(`handling ${value}\n`)
    return new Promise<never>(() => {})
  },
  { deadLetter: false, onExhausted: 'pause' },
)

await consumer.start()
process.stdout.write('started\n')
