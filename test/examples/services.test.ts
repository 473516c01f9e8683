import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { readConfiguration } from '../../examples/order-processing/shared/configuration.ts'
import { watchUnderWay } from '../../examples/order-processing/shared/under-way.ts'
import { AT_MOST_ONCE, MOST_IN_HANDLERS, SERVICES, WITH_INBOX } from '../../scripts/demo/duties.ts'
import type { ProcessObservation } from '../../src/index.ts'
import { noTelemetry } from '../../src/index.ts'

const example = (file: string): Promise<string> =>
  readFile(new URL(`../../examples/order-processing/${file}`, import.meta.url), 'utf8')

test('the audit excuses no more than the services have in handlers', async () => {
  expect(await example('services/payment.ts')).toContain(`concurrency: ${MOST_IN_HANDLERS.payment},`)
  // A batch of each of the six partitions.
  expect(await example('services/analytics.ts')).toContain(`maxBatchSize: ${MOST_IN_HANDLERS.analytics / 6},`)
  expect(await example('services/inventory.ts')).toContain(`concurrency: ${MOST_IN_HANDLERS.inventory},`)
  expect(await example('services/order-api.ts')).toContain(`concurrency: ${MOST_IN_HANDLERS['order-api']},`)
})

test('the audit asks those services for marks that have an inbox, and all of them have its table', async () => {
  const names = [...SERVICES.keys()]
  const withInbox = await Promise.all(
    names.map(async (name) => ((await example(`services/${name}.ts`)).includes('{ inbox') ? [name] : [])),
  )
  expect(new Set(withInbox.flat())).toEqual(WITH_INBOX)
  for (const service of WITH_INBOX) expect(await example('setup.ts')).toContain(`'${service}'`)
})

test('what goes through the outbox is sent by nobody else: neither the order API nor inventory has a producer in its hands', async () => {
  for (const service of ['order-api', 'inventory'])
    expect(await example(`services/${service}.ts`)).not.toContain('producer')
})

test('the audit judges those services by at most once that say so', async () => {
  for (const service of SERVICES.keys()) {
    const says = (await example(`services/${service}.ts`)).includes("delivery: 'at-most-once'")
    expect(says).toBe(AT_MOST_ONCE.has(service))
  }
})

const enough = {
  KAFKA_BROKERS: 'localhost:9092',
  DATABASE_URL: 'postgres://localhost/orders',
  REDIS_URL: 'redis://localhost:6379',
}

test('a session lasts 30 s unless the environment says otherwise, as the demo does', () => {
  expect(readConfiguration(enough).sessionTimeoutMs).toBe(30_000)
  expect(readConfiguration({ ...enough, SESSION_TIMEOUT_MS: '6000' }).sessionTimeoutMs).toBe(6_000)
})

test('all that is wrong with the environment is said at once', () => {
  for (const SESSION_TIMEOUT_MS of ['5999', '1800001', '6e3', '']) {
    expect(() => readConfiguration({ DATABASE_URL: 'x', SESSION_TIMEOUT_MS })).toThrow(
      /^KAFKA_BROKERS is missing.*\nREDIS_URL is missing.*\nSESSION_TIMEOUT_MS is not a whole number of 6000 to 1800000$/,
    )
  }
})

test('what is under way is waited for, and not what begins later', async () => {
  const underWay = watchUnderWay()
  const ended: unknown[] = []
  const inner: ProcessObservation = {
    headers: [],
    run: (call) => call(),
    attemptFailed() {},
    ended: (outcome) => void ended.push(outcome),
  }
  const telemetry = underWay.through({ ...noTelemetry, processing: () => inner })
  const begin = (): ProcessObservation => telemetry.processing({ record: {} as never, groupId: 'stock' })

  begin().ended('handled')
  expect(await underWay.ended()).toBe(0)

  const [first, second] = [begin(), begin()]
  let records: number | undefined
  const all = underWay.ended().then((count) => (records = count))
  begin()
  first.ended('unfinished', 'epoch-lost')
  await new Promise(setImmediate)
  expect(records).toBeUndefined()
  second.ended('handled')
  await all
  expect(records).toBe(2)
  expect(ended).toEqual(['handled', 'unfinished', 'handled'])
})
