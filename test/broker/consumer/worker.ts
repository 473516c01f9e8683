import { appendFileSync } from 'node:fs'
import pg from 'pg'
import { systemRuntime } from '../../../src/clock/index.ts'
import type { Handler } from '../../../src/consumer/index.ts'
import { createConsumer } from '../../../src/consumer/index.ts'
import { kafkajsDriver } from '../../../src/driver/kafkajs/index.ts'
import { postgresInbox } from '../../../src/postgres.ts'
import { ordersTopic, TIMING } from './shop-topic.ts'

// A service in a process of its own, to be killed: it writes down every record that it has handled, then goes on; in a database, with an
// inbox, when it is given a DATABASE_URL; before it handles it, with DELIVERY at-most-once. What the group has acknowledged as committed stands in the file. With DIE_AT
// (`failpoint#passing`) it kills itself there, as hard as it can.
const {
  BROKERS,
  TOPIC,
  GROUP,
  EFFECTS,
  DIE_AT = '',
  CONCURRENCY = '64',
  DATABASE_URL,
  DELIVERY,
} = process.env as Record<'BROKERS' | 'TOPIC' | 'GROUP' | 'EFFECTS', string> &
  Partial<Record<'DIE_AT' | 'CONCURRENCY' | 'DATABASE_URL' | 'DELIVERY', string>>

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
})
const retry = { maxAttempts: 2, initialDelayMs: 10 }
const work = async (id: string): Promise<void> => {
  await new Promise((resolve) => setTimeout(resolve, 5))
  if (id === 'bad') throw new Error('no')
}
if (DELIVERY === 'at-most-once') {
  const handler: Handler<{ id: string }> = async ({ value }, { partition, offset }) => {
    appendFileSync(EFFECTS, `${partition}@${offset}\n`)
    await work(value.id)
  }
  consumer.on(ordersTopic(TOPIC), handler, { delivery: DELIVERY })
} else if (DATABASE_URL === undefined) {
  const handler: Handler<{ id: string }> = async ({ value }, { partition, offset }) => {
    await work(value.id)
    appendFileSync(EFFECTS, `${partition}@${offset}\n`)
  }
  consumer.on(ordersTopic(TOPIC), handler, { retry })
} else {
  const pool = new pg.Pool({ connectionString: DATABASE_URL, max: Number(CONCURRENCY) + 2 })
  const handler: Handler<{ id: string }, pg.PoolClient> = async ({ value }, { tx, partition, offset }) => {
    await tx.query('insert into effects (topic, place) values ($1, $2)', [TOPIC, `${partition}@${offset}`])
    await work(value.id)
  }
  consumer.on(ordersTopic(TOPIC), handler, { retry, inbox: postgresInbox(pool) })
}
consumer.listen('committed', ({ positions }) => {
  for (const { partition, offset } of positions) appendFileSync(EFFECTS, `committed ${partition}@${offset}\n`)
})

await consumer.start()
process.stdout.write('started\n')
