import { appendFileSync } from 'node:fs'
import { systemRuntime } from '../../../src/clock/index.ts'
import { createConsumer } from '../../../src/consumer/index.ts'
import { kafkajsDriver } from '../../../src/driver/kafkajs/index.ts'
import { ordersTopic, TIMING } from './shop-topic.ts'

// A service in a process of its own, to be killed: it writes down every record that it has handled, then goes on. What the group has
// acknowledged as committed stands in the same file. With DIE_AT (`failpoint#passing`) it kills itself there, as hard as it can.
const {
  BROKERS,
  TOPIC,
  GROUP,
  EFFECTS,
  DIE_AT = '',
  CONCURRENCY = '64',
} = process.env as Record<'BROKERS' | 'TOPIC' | 'GROUP' | 'EFFECTS', string> &
  Partial<Record<'DIE_AT' | 'CONCURRENCY', string>>

const [fatal, passing] = DIE_AT.split('#')
let passed = 0
const failpoint = (name: string): Promise<void> | void => {
  if (name !== fatal || ++passed < Number(passing)) return
  process.kill(process.pid, 'SIGKILL')
  return new Promise(() => {}) // the signal may take a moment: nothing more happens in it
}

const consumer = createConsumer({
  driver: kafkajsDriver({ clientId: 'worker', brokers: BROKERS.split(',') }),
  groupId: GROUP,
  commitIntervalMs: 50,
  concurrency: Number(CONCURRENCY),
  runtime: { ...systemRuntime, failpoint },
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
consumer.listen('committed', ({ positions }) => {
  for (const { partition, offset } of positions) appendFileSync(EFFECTS, `committed ${partition}@${offset}\n`)
})

await consumer.start()
process.stdout.write('started\n')
