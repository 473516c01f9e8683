import { appendFileSync } from 'node:fs'
import { createConsumer } from '../../../src/consumer/index.ts'
import { kafkajsDriver } from '../../../src/driver/kafkajs/index.ts'
import { ordersTopic, TIMING } from './shop-topic.ts'

// A service in a process of its own, to be killed: it writes down every record that it has handled, then goes on.
const { BROKERS, TOPIC, GROUP, EFFECTS } = process.env as Record<'BROKERS' | 'TOPIC' | 'GROUP' | 'EFFECTS', string>

const consumer = createConsumer({
  driver: kafkajsDriver({ clientId: 'worker', brokers: BROKERS.split(',') }),
  groupId: GROUP,
  commitIntervalMs: 50,
  ...TIMING,
}).on(
  ordersTopic(TOPIC),
  async ({ value }, { partition, offset }) => {
    await new Promise((resolve) => setTimeout(resolve, 5))
    if (value.id === 'bad') throw new Error('no')
    appendFileSync(EFFECTS, `${partition}@${offset}\n`)
  },
  { retry: { maxAttempts: 2, initialDelayMs: 10 } },
)

await consumer.start()
process.stdout.write('started\n')
