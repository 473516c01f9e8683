import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import type { Consumer, ConsumerEvents } from '../../../src/consumer/index.ts'
import { createConsumer, park, skip } from '../../../src/consumer/index.ts'
import { deadLetters } from '../../../src/dlq/index.ts'
import { kafkajsDriver } from '../../../src/driver/kafkajs/index.ts'
import { HoldfastError } from '../../../src/errors/index.ts'
import type { DedupeStore } from '../../../src/idempotency/index.ts'
import { memoryDedupeStore } from '../../../src/idempotency/index.ts'
import { createProducer } from '../../../src/producer/index.ts'
import type { Headers } from '../../../src/record/index.ts'
import { noTelemetry, openTelemetry } from '../../../src/telemetry/index.ts'
import { defineTopic } from '../../../src/topic/index.ts'
import { uniqueName, useKafka } from '../../helpers/services.ts'
import { TIMING } from '../consumer/shop-topic.ts'
import { CANARIES, canariesIn } from './index.ts'
import { openRawWriter } from './raw-records.ts'
import { callWitnesses } from './witnesses.ts'
import { committedUpTo, openWorld } from './world.ts'

const { card, customer, token, thrown } = CANARIES
const utf8 = (text: string): Uint8Array => Buffer.from(text, 'utf8')
const quoting = (what: string): never => {
  throw new TypeError(`${thrown} in ${what}`)
}

/** What a payment does: `fate` says what its handler makes of it. */
const payment = z.object({
  customer: z.string(),
  card: z.string().refine((value) => value !== `${card}!` || quoting('a validator')),
  fate: z.enum(['handled', 'fails once', 'fails', 'fails oddly', 'parked', 'skipped', 'by a rule']),
})

test('secrets and personal data are in the records alone: no log line, span, metric, event, health or header of ours shows them', async () => {
  const world = await openWorld()
  const witnesses = callWitnesses()
  const { logger } = witnesses
  const topic = defineTopic({ name: world.topic.name, schema: payment, key: (value) => value.customer })
  const telemetry = openTelemetry({ messageKeys: false })
  const producer = createProducer({ driver: world.driver, logger, telemetry })
  const headers = { authorization: token }
  const value = { customer, card, fate: 'handled' } as const
  for (const fate of payment.shape.fate.options) await producer.send(topic, { ...value, fate }, { headers })

  // Sends that are refused: by the schema, its validator, the key, the headers, the partitioner, the broker.
  const misfits = [
    producer.send(topic, { ...value, fate: card } as never, { headers }),
    producer.send(topic, { ...value, card: `${card}!` }, { headers }),
    producer.send({ ...topic, key: ({ card: secret }) => quoting(secret) }, value, { headers }),
    producer.send(topic, value, { headers: { 'holdfast-token': token } }),
    producer.send(topic, value, { headers, partition: 7 }),
    producer.send(topic, value, { headers, timestamp: new Date(Date.now() + 10 * 365 * 86_400_000) }),
    producer.send(topic, { ...value, card: card.repeat(60_000) }, { headers }),
  ]
  const refusals = (await Promise.allSettled(misfits)).map((end) =>
    end.status === 'rejected' ? end.reason : end.value,
  )
  const crooked = createProducer({
    driver: world.driver,
    logger,
    telemetry,
    partitioner: ({ key }) => quoting(String(key)),
  })
  refusals.push(await crooked.send(topic, value, { headers }).catch((error: unknown) => error))
  let told: unknown
  await new Promise<void>((resolve) => {
    const onError = (error: HoldfastError): void => {
      told = error
      resolve()
      quoting('onError')
    }
    producer.sendAndForget({ ...topic, name: uniqueName('missing') }, value, onError, { headers })
  })
  refusals.push(told)
  await crooked.close()
  await producer.close()

  // Records that are no messages.
  const raw = await openRawWriter(world.brokers)
  const write = (bytes: string): Promise<bigint> =>
    raw.write(topic.name, { key: utf8(customer), value: utf8(bytes), headers: [[utf8('authorization'), utf8(token)]] })
  await write(`{"customer":"${customer}","card":"${card}"`)
  await write(`${card}`)
  await write(`{"customer":"${customer}","card":4,"fate":"${card}"}`)
  await write(`{"customer":"${customer}","card":"${card}!","fate":"handled"}`)
  const end = 1n + (await write(`{"customer":"${customer}","card":"${card}","fate":"handled"}`))

  const shown: unknown[] = []
  const consumer = createConsumer({
    driver: world.driver,
    groupId: world.groupId,
    ...TIMING,
    logger,
    telemetry,
    onRevoked: () => quoting('a hook'),
  }).on(
    topic,
    ({ value: { fate } }, context) => {
      if (fate === 'parked') return park('by decision')
      if (fate === 'skipped') return skip('by decision')
      if (fate === 'by a rule') throw Object.assign(new RangeError(`${thrown} for ${card}`), { code: 'E_RULE' })
      if (fate === 'fails oddly')
        throw Object.assign(new Error(thrown), { name: `${card}\r\n\u001b[31m${customer}`, code: `${card} ${token}` })
      if (fate === 'fails' || (fate === 'fails once' && context.attempt === 1))
        quoting(`a handler: ${card} of ${customer}`)
      return undefined
    },
    {
      retry: { maxAttempts: 2, initialDelayMs: 0 },
      errors: [
        { when: () => quoting('a rule'), verdict: 'park' },
        { when: { code: 'E_RULE' }, verdict: 'skip' },
      ],
      dedupe: { store: quotingStore() },
    },
  )
  onTestFinished(() => consumer.close())
  listenToAll(consumer, shown)
  consumer.listen('handled', () => quoting('a listener'))
  const done = committedUpTo(consumer, end)
  await consumer.start()
  await done
  shown.push(consumer.health())
  await consumer.close()

  const letters = await world.deadLettersByOrigin()
  expect([...letters.values()].map(({ reason }) => reason)).toEqual([
    'handler-failed',
    'handler-failed',
    'parked-by-handler',
    'decode-failed',
    'decode-failed',
    'schema-invalid',
    'schema-invalid',
  ])
  const ours = await headersOfOurs(world.topic.name)
  const [failed, others] = [ours.slice(0, 2), ours.slice(2)]
  expect(failed.map((letter) => canariesIn(letter).includes(thrown))).toEqual([true, true]) // what the handler threw, as documented
  expect(witnesses.lines.length).toBeGreaterThan(10)
  expect(witnesses.spans().length).toBeGreaterThan(20)
  expect({
    refusals: refusals.map((error) => [HoldfastError.is(error) ? error.code : error, canariesIn(error)]),
    lines: witnesses.lines.filter((line) => canariesIn(line).length > 0),
    controls: witnesses.lines.filter((line) => HAS_CONTROLS.test(line.message)),
    spans: witnesses.spans().filter((span) => canariesIn(span).length > 0),
    metrics: (await witnesses.measured()).filter((metric) => canariesIn(metric).length > 0),
    shown: shown.filter((thing) => canariesIn(thing).length > 0),
    deadLetterHeaders: others.flatMap(canariesIn),
  }).toEqual({
    refusals: [
      ...Array.from({ length: 4 }, () => ['HOLDFAST_MESSAGE_INVALID', []]),
      ['HOLDFAST_PARTITION_UNKNOWN', []],
      ['HOLDFAST_REFUSED', []],
      ['HOLDFAST_RECORD_TOO_LARGE', []],
      ['HOLDFAST_MESSAGE_INVALID', []],
      ['HOLDFAST_TOPIC_UNKNOWN', []],
    ],
    lines: [],
    controls: [],
    spans: [],
    metrics: [],
    shown: [],
    deadLetterHeaders: [],
  })
})

test('a key is in spans by default, as text in its own attribute and nowhere else', async () => {
  const world = await openWorld()
  const witnesses = callWitnesses()
  const producer = createProducer({ driver: world.driver, logger: witnesses.logger })
  await producer.send(world.topic, { id: customer })
  await producer.close()
  const consumer = createConsumer({ driver: world.driver, groupId: world.groupId, ...TIMING, logger: witnesses.logger })
  onTestFinished(() => consumer.close())
  const done = committedUpTo(consumer, 1n)
  await consumer.on(world.topic, () => {}).start()
  await done
  await consumer.close()

  const attributes = witnesses.spans().flatMap((span) => Object.entries((span as { attributes: object }).attributes))
  expect(attributes.filter(([, value]) => canariesIn(value).length > 0)).toEqual([
    ['messaging.kafka.message.key', customer],
    ['messaging.kafka.message.key', customer],
  ])
  expect(witnesses.lines.filter((line) => canariesIn(line).length > 0)).toEqual([])
})

test('secrets of a driver are in no error, line or span when the cluster refuses them or cannot be reached', async () => {
  const { brokers } = await useKafka()
  const witnesses = callWitnesses()
  const { logger } = witnesses
  const { password, connection } = CANARIES
  const sasl = { mechanism: 'plain', username: 'canary', password } as const
  const topic = defineTopic({ name: 'none', schema: z.unknown(), key: 'none' })
  const failures: unknown[] = []
  const keep = (error: unknown): void => void failures.push(error)
  for (const config of [
    { brokers, sasl }, // a listener without SASL refuses the handshake
    { brokers: ['127.0.0.1:1'], sasl }, // nobody listens there
    { brokers: () => Promise.reject(new Error(connection)) },
    { brokers, socketFactory: () => quoting(connection) },
    {
      brokers,
      sasl: {
        mechanism: 'own',
        authenticationProvider: () => ({ authenticate: () => Promise.reject(new Error(connection)) }),
      } as const,
    },
    {
      brokers,
      sasl: { mechanism: 'oauthbearer', oauthBearerProvider: () => Promise.reject(new Error(connection)) } as const,
    },
  ]) {
    const driver = kafkajsDriver({
      ...config,
      retry: { retries: 0 },
      connectionTimeout: 1_000,
      authenticationTimeout: 1_000,
    })
    const producer = createProducer({ driver, logger, deliveryTimeoutMs: 300 })
    await producer.send(topic, { card }).catch(keep)
    await producer.close()
  }
  expect(failures.map((error) => HoldfastError.is(error))).toEqual(Array.from({ length: 6 }, () => true))
  expect(witnesses.lines.length).toBeGreaterThan(0)
  expect(
    [...failures, ...witnesses.lines, ...witnesses.spans()].filter((thing) => canariesIn(thing).length > 0),
  ).toEqual([])
})

// oxlint-disable-next-line no-control-regex -- they are what is looked for
const HAS_CONTROLS = /[\u0000-\u001f\u007f\u2028\u2029]/

/** A dedupe store that is out once, and quotes what it was asked. */
function quotingStore(): DedupeStore {
  const store = memoryDedupeStore()
  let wasOut = false
  return {
    ...store,
    begin(id, options) {
      if (wasOut) return store.begin(id, options)
      wasOut = true
      return quoting('a store')
    },
  }
}

/** Everything that events tell, but for the error of a failed attempt: that is the handler's own, for the service's own listeners. */
function listenToAll(consumer: Consumer, into: unknown[]): void {
  const names: readonly (keyof ConsumerEvents)[] = [
    'handled',
    'duplicate',
    'parked',
    'skipped',
    'paused',
    'resumed',
    'crashed',
  ]
  for (const name of names) consumer.listen(name, (event) => into.push(event))
  consumer.listen('retrying', ({ position, attempt, delayMs }) => into.push({ position, attempt, delayMs }))
}

/** The headers that Holdfast has added to each dead letter. */
async function headersOfOurs(topic: string): Promise<Headers[]> {
  const { brokers } = await useKafka()
  const seen: Headers[] = []
  const reader = createConsumer({
    driver: kafkajsDriver({ brokers }),
    groupId: uniqueName('letters'),
    telemetry: noTelemetry,
    ...TIMING,
  }).on(deadLetters(topic), (_, { headers }) => void seen.push(headers.filter(([name]) => name !== 'authorization')))
  const done = committedUpTo(reader, 7n)
  await reader.start()
  await done
  await reader.close()
  return seen
}
