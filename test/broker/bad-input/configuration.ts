import { z } from 'zod'
import type { ConsumerOptions, SubscriptionOptions } from '../../../src/consumer/index.ts'
import { createConsumer } from '../../../src/consumer/index.ts'
import type { Driver } from '../../../src/driver/index.ts'
import { kafkajsDriver } from '../../../src/driver/kafkajs/index.ts'
import { memoryDedupeStore } from '../../../src/idempotency/index.ts'
import { createProducer } from '../../../src/producer/index.ts'
import type { Topic } from '../../../src/topic/index.ts'
import { bytes, defineTopic, json } from '../../../src/topic/index.ts'
import { CANARIES } from './canaries.ts'

/** Options that do not fit, and every place that the one error has to name. */
export interface ConfigurationEntry {
  readonly name: string
  /** Throws, or rejects, before anything is connected. */
  readonly use: (driver: Driver) => unknown
  readonly paths: readonly string[]
  /** May it name others too? A wrong number can contradict the default of another. */
  readonly othersToo?: boolean
}

type Given = Readonly<Record<string, unknown>>

const { password, connection } = CANARIES
const schema = z.unknown()
const topicOf = (name: string): Topic => defineTopic({ name, schema, key: 'none' }) as Topic

const aTopic = (name: string, given: Given, paths: readonly string[]): ConfigurationEntry => ({
  name: `defineTopic: ${name}`,
  use: () => defineTopic({ name: 'orders', schema, key: 'none', ...given } as never),
  paths,
})
const aProducer = (name: string, given: Given, paths: readonly string[]): ConfigurationEntry => ({
  name: `createProducer: ${name}`,
  use: (driver) => createProducer({ driver, ...given } as never),
  paths,
})
const aConsumer = (name: string, given: Given, paths: readonly string[]): ConfigurationEntry => ({
  name: `createConsumer: ${name}`,
  use: (driver) => createConsumer({ driver, groupId: 'g', ...given } as unknown as ConsumerOptions),
  paths,
})
const onTopics = (
  name: string,
  topics: readonly (readonly [topic: Topic, options: Given])[],
  paths: readonly string[],
): ConfigurationEntry => ({
  name: `on: ${name}`,
  async use(driver) {
    const consumer = createConsumer({ driver, groupId: 'g' })
    for (const [topic, options] of topics) consumer.on(topic, () => {}, options as SubscriptionOptions)
    try {
      await consumer.start()
    } finally {
      await consumer.close()
    }
  },
  paths,
})
const on = (name: string, options: Given, paths: readonly string[]): ConfigurationEntry =>
  onTopics(
    name,
    [[topicOf('orders'), options]],
    paths.map((path) => `orders.${path}`),
  )
const aDriver = (name: string, config: unknown, paths: readonly string[], options?: Given): ConfigurationEntry => ({
  name: `kafkajsDriver: ${name}`,
  use: () => kafkajsDriver(config as never, options as never),
  paths,
})

/** Each number in all the ways in which it is none. */
const numbers = (
  make: typeof aProducer,
  names: readonly string[],
  alsoWrong: readonly unknown[],
): ConfigurationEntry[] =>
  [NaN, Infinity, -Infinity, -1, '10', '', null, 10n, true, {}, ...alsoWrong].map((value) => ({
    ...make(
      `numbers that are ${typeof value} ${String(value)}`,
      Object.fromEntries(names.map((name) => [name, value])),
      names,
    ),
    othersToo: true,
  }))

const LONG = 'n'.repeat(250)

const topics: readonly ConfigurationEntry[] = [
  ...['', '.', '..', 'a b', 'a/b', 'é', 'a\nb', 'a\u0000', '__consumer_offsets', LONG, 'n'.repeat(246), 7, null].map(
    (name) => aTopic(`the name ${JSON.stringify(name)}`, { name }, ['name']),
  ),
  aTopic('several at once', { name: '../etc', schema: {}, codec: 'json', key: 'customer', keys: 1 }, [
    'name',
    'schema',
    'codec',
    'key',
    'keys',
  ]),
  aTopic('a schema of its own making', { schema: (value: unknown) => value }, ['schema']),
  aTopic('neither a schema nor a codec of one type', { schema: undefined }, ['schema']),
  { name: 'defineTopic: nothing', use: () => defineTopic(undefined as never), paths: ['(definition)'] },
  ...[0, -1, 1.5, NaN, Infinity, '64', 1_001].map((maxDepth) => ({
    name: `json: a depth of ${String(maxDepth)}`,
    use: () => json({ maxDepth } as never),
    paths: ['maxDepth'],
  })),
  {
    name: 'json: a misspelt option',
    use: () => json({ maxdepth: 3, depth: NaN } as never),
    paths: ['maxdepth', 'depth'],
  },
]

const producers: readonly ConfigurationEntry[] = [
  ...numbers(
    aProducer,
    ['deliveryTimeoutMs', 'maxBatchRecords', 'maxBatchBytes', 'maxRequestBytes', 'maxBufferedBytes'],
    [0, 1.5],
  ),
  ...numbers(aProducer, ['lingerMs'], [60_001]),
  aProducer('a misspelt option', { lingerMS: 5 }, ['(options)']),
  aProducer('a linger that outlasts the delivery', { lingerMs: 100, deliveryTimeoutMs: 100 }, ['lingerMs']),
  aProducer('a delivery longer than a timer', { deliveryTimeoutMs: 2 ** 31 }, ['deliveryTimeoutMs']),
  aProducer('a buffer smaller than a request', { maxBufferedBytes: 10 }, ['maxBufferedBytes']),
  aProducer('a transactional id of 250 characters', { transactionalId: LONG }, ['transactionalId']),
  aProducer('a source that is no Unicode', { source: '\ud800' }, ['source']),
  aProducer('a logger that is a connection string', { logger: connection }, ['logger']),
  aProducer('a driver that is a connection string', { driver: connection }, ['driver']),
  aProducer(
    'wrong options and contradictions together',
    { source: '', lingerMs: 60_000, deliveryTimeoutMs: 10, acks: 0 },
    ['source', '(options)', 'lingerMs'],
  ),
]

const consumerNumbers = ['concurrency', 'commitIntervalMs', 'maxBufferedBytes', 'maxBufferedRecords']
const consumers: readonly ConfigurationEntry[] = [
  ...numbers(aConsumer, consumerNumbers, [1.5, 2 ** 53]),
  ...numbers(aConsumer, ['sessionTimeoutMs', 'rebalanceTimeoutMs'], [0, 999, 2 ** 31]),
  ...numbers(aConsumer, ['heartbeatIntervalMs', 'drainTimeoutMs'], [0.5, 2 ** 31]),
  aConsumer('a concurrency of 0', { concurrency: 0 }, ['concurrency']),
  aConsumer('a concurrency of a billion', { concurrency: 1e9 }, ['concurrency']),
  aConsumer('a group of 250 characters', { groupId: LONG }, ['groupId']),
  aConsumer('an empty group', { groupId: '' }, ['groupId']),
  aConsumer('a group that is no Unicode, and so another one on the wire', { groupId: 'g\ud800' }, ['groupId']),
  aConsumer('an invalid date', { startAt: new Date('never') }, ['startAt']),
  aConsumer('a misspelt option', { maxBufferBytes: 1 }, ['options']),
  aConsumer('a heartbeat as long as the session', { sessionTimeoutMs: 3_000 }, ['heartbeatIntervalMs']),
  aConsumer('a drain that outlasts the rebalance', { drainTimeoutMs: 60_000 }, ['rebalanceTimeoutMs']),
  aConsumer(
    'wrong options and contradictions together',
    { groupId: '', sessionTimeoutMs: 3_000, drainTimeoutMs: 60_000, autoCommit: true },
    ['groupId', 'options', 'heartbeatIntervalMs', 'rebalanceTimeoutMs'],
  ),
  aConsumer('secrets in the wrong places', { groupId: { password }, logger: password, startAt: connection }, [
    'groupId',
    'startAt',
    'logger',
  ]),
]

const aRetry: typeof aProducer = (name, retry, paths) =>
  on(
    `retry, ${name}`,
    { retry },
    paths.map((path) => `retry.${path}`),
  )

const retries: readonly ConfigurationEntry[] = [
  ...numbers(aRetry, ['maxAttempts', 'factor'], [0, 0.5]),
  ...numbers(aRetry, ['initialDelayMs', 'maxDelayMs'], [2 ** 31]),
  on('retry: a jitter of 2', { retry: { jitter: 2 } }, ['retry.jitter']),
  on('retry: a cap below the first delay', { retry: { initialDelayMs: 1_000, maxDelayMs: 10 } }, ['retry.maxDelayMs']),
  on('retry: a first delay above the default cap', { retry: { initialDelayMs: 60_000 } }, ['retry.maxDelayMs']),
  on('retry: a misspelt option', { retry: { maxAttemps: 3 } }, ['retry']),
  on(
    'retry: everything at once',
    { retry: { maxAttempts: 0, initialDelayMs: 1_000, maxDelayMs: 10, jitter: 2, factor: '2', retries: 1 } },
    ['retry.maxAttempts', 'retry.factor', 'retry.jitter', 'retry', 'retry.maxDelayMs'],
  ),
]

const subscriptions: readonly ConfigurationEntry[] = [
  ...numbers(on, ['concurrency', 'handlerTimeoutMs'], [0, 2 ** 31, 1e9]).filter(
    ({ name }) => !name.includes('1000000000'),
  ),
  on('a billion at a time', { concurrency: 1e9 }, ['concurrency']),
  on('an order that is none', { ordering: 'keys', ack: true }, ['ordering', 'ack']),
  on('a dead letter topic that is its source', { deadLetter: { topic: 'orders' } }, ['deadLetter']),
  onTopics(
    'a dead letter topic that is handled too',
    [
      [topicOf('orders'), {}],
      [topicOf('orders.dlq'), { deadLetter: false, onExhausted: 'skip' }],
    ],
    ['orders.deadLetter'],
  ),
  onTopics('the dead letter topic of a dead letter topic', [[topicOf('orders.dlq'), {}]], ['orders.dlq.deadLetter']),
  on('a dead letter topic of 250 characters', { deadLetter: { topic: LONG } }, ['deadLetter.topic']),
  on("a dead letter topic of the broker's", { deadLetter: { topic: '__dead' } }, ['deadLetter.topic']),
  onTopics(
    'a name with which .dlq is too long',
    [[{ ...topicOf('orders'), name: 'n'.repeat(249) }, {}]],
    [`${'n'.repeat(249)}.deadLetter.topic`],
  ),
  on('no dead letters and no word of what then', { deadLetter: false }, ['onExhausted']),
  on('rules that are none', { errors: [{ when: password, verdict: 'explode' }] }, [
    'errors.0.when',
    'errors.0.verdict',
  ]),
  on('a store that is none', { dedupe: { store: { password }, leaseMs: 10, scope: 's\ud800' } }, [
    'dedupe.store',
    'dedupe.leaseMs',
    'dedupe.scope',
  ]),
  onTopics(
    'the same topic twice',
    [
      [topicOf('orders'), {}],
      [topicOf('orders'), {}],
    ],
    ['orders'],
  ),
  onTopics(
    'several topics at once',
    [
      [topicOf('a'), { ack: 1 }],
      [topicOf('b'), { retry: { jitter: -1 } }],
    ],
    ['a.ack', 'b.retry.jitter'],
  ),
  onTopics('no topic', [], ['on']),
]

const stores: readonly ConfigurationEntry[] = [
  ...[NaN, Infinity, 0, -1, 1.5, '10', null].map((value) => ({
    name: `memoryDedupeStore: ${typeof value} ${String(value)}`,
    use: () => memoryDedupeStore({ maxEntries: value, ttlMs: value } as never),
    paths: ['maxEntries', 'ttlMs'],
  })),
  {
    name: 'memoryDedupeStore: a misspelt option',
    use: () => memoryDedupeStore({ ttl: 10, maxEntries: 0 } as never),
    paths: ['maxEntries', 'ttl'],
  },
]

const good = { brokers: ['localhost:9092'] }
const drivers: readonly ConfigurationEntry[] = [
  aDriver('nothing', undefined, ['brokers']),
  aDriver('a connection string', connection, ['brokers']),
  aDriver('no brokers', { brokers: [] }, ['brokers']),
  aDriver('brokers as one text', { brokers: connection }, ['brokers']),
  ...[
    'localhost',
    'kafka://localhost:9092',
    connection,
    'localhost:9092 ',
    ' localhost:9092',
    'localhost:0',
    'localhost:65536',
    '[::1]:9092',
    '',
  ].map((broker) => aDriver(`the broker "${broker}"`, { brokers: [broker] }, ['brokers[0]'])),
  aDriver('an empty password', { ...good, sasl: { mechanism: 'plain', username: 'u', password: '' } }, [
    'sasl.password',
  ]),
  aDriver('no user, though a password', { ...good, sasl: { mechanism: 'scram-sha-512', password } }, ['sasl.username']),
  aDriver('a mechanism of one’s own', { ...good, sasl: { mechanism: password, username: 'u', password } }, [
    'sasl.mechanism',
  ]),
  aDriver('a password for TLS', { ...good, ssl: password }, ['ssl']),
  aDriver(
    'numbers that are none',
    { ...good, connectionTimeout: '10', requestTimeout: NaN, authenticationTimeout: -1 },
    ['connectionTimeout', 'authenticationTimeout', 'requestTimeout'],
  ),
  aDriver('retries that are none', { ...good, retry: { retries: Infinity, factor: 'x' } }, [
    'retry.factor',
    'retry.retries',
  ]),
  aDriver('misspelt options, one of them a secret’s', { ...good, clientID: 'a', password, retry: { maxRetries: 3 } }, [
    'clientID',
    'password',
    'retry.maxRetries',
  ]),
  aDriver('options of the driver', good, ['codec'], { codec: password }),
  aDriver(
    'several at once, with secrets',
    {
      brokers: [connection],
      sasl: { mechanism: 'plain', username: password },
      ssl: password,
      clientId: ' ',
      requestTimeout: '5',
    },
    ['brokers[0]', 'sasl.password', 'ssl', 'clientId', 'requestTimeout'],
  ),
]

/** Everything that options can say wrongly. */
export const configurationEntries: readonly ConfigurationEntry[] = [
  ...topics,
  {
    name: 'defineTopic: bytes with a schema of zod 2’s time',
    use: () => defineTopic({ name: 'a', codec: bytes(), schema: { parse() {} } } as never),
    paths: ['schema'],
  },
  ...producers,
  ...consumers,
  ...retries,
  ...subscriptions,
  ...stores,
  ...drivers,
]
