import kafkajs from 'kafkajs'
import type { KafkaConfig } from 'kafkajs'
import { expect, test } from 'vitest'
import { kafkajsDriver } from '../../../src/driver/kafkajs/index.ts'
import { createKafkajsContext } from '../../../src/driver/kafkajs/kafkajs-context.ts'
import { toHoldfastError } from '../../../src/driver/kafkajs/kafkajs-errors.ts'
import { bridgeLogs } from '../../../src/driver/kafkajs/kafkajs-logs.ts'
import { HoldfastError } from '../../../src/errors/index.ts'

function problemsOf(config: unknown): string[] {
  try {
    kafkajsDriver(config as KafkaConfig)
  } catch (error) {
    if (HoldfastError.is(error, 'HOLDFAST_CONFIG_INVALID')) return error.problems.map(({ path }) => path)
  }
  return []
}

test('every problem of a configuration is told at once, and no value of it', () => {
  const config = {
    brokers: ['kafka://user:hunter2@host:9092', 'host:99999'],
    clientId: '',
    ssl: 'yes',
    sasl: { mechanism: 'plain', username: 'u', password: '' },
    requestTimeout: -1,
    retry: { retries: 'many' },
    socketFactory: {},
  }
  expect(problemsOf(config)).toEqual([
    'brokers[0]',
    'brokers[1]',
    'sasl.password',
    'ssl',
    'clientId',
    'socketFactory',
    'requestTimeout',
    'retry.retries',
  ])
  expect(() => kafkajsDriver(config as never)).toThrow(
    expect.not.objectContaining({ message: expect.stringContaining('hunter2') }),
  )
})

test.each([
  ['no configuration', undefined, ['brokers']],
  ['no brokers', { brokers: [] }, ['brokers']],
  ['a misspelt option', { brokers: ['h:1'], clientID: 'a', retry: { retry: 3 } }, ['clientID', 'retry.retry']],
  ['an unknown mechanism', { brokers: ['h:1'], sasl: { mechanism: 'gssapi' } }, ['sasl.mechanism']],
  [
    'a token provider that is no function',
    { brokers: ['h:1'], sasl: { mechanism: 'oauthbearer' } },
    ['sasl.oauthBearerProvider'],
  ],
])('%s is refused up front', (_, config, paths) => {
  expect(problemsOf(config)).toEqual(paths)
})

test.each([
  [{ brokers: ['localhost:9092', '127.0.0.1:9093'] }],
  [{ brokers: () => ['localhost:9092'], ssl: true }],
  [{ brokers: ['h:1'], ssl: { ca: ['x'] }, sasl: { mechanism: 'SCRAM-SHA-512', username: 'u', password: 'p' } }],
  [{ brokers: ['h:1'], sasl: { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: 't' }) } }],
  [
    {
      brokers: ['h:1'],
      sasl: { mechanism: 'own', authenticationProvider: () => ({ authenticate: async () => undefined }) },
    },
  ],
])('a whole kafkajs configuration is taken: %j', (config) => {
  expect(problemsOf(config)).toEqual([])
})

test('the driver says what kafkajs can do', () => {
  const { name, clientId, capabilities } = kafkajsDriver({ brokers: ['h:1'] })
  expect({ name, clientId }).toEqual({ name: 'kafkajs 2.2.4', clientId: 'holdfast' })
  expect(capabilities).toMatchObject({ idempotentProducer: true, transactions: true, nullHeaderValue: true })
  expect(capabilities.compression).toEqual(['none', 'gzip'])
})

test('a codec that is given can be asked for', () => {
  const codec = { compress: async () => Buffer.alloc(0), decompress: async (bytes: Buffer) => bytes }
  const table = kafkajs.CompressionCodecs as Record<number, unknown>
  const before = table[3]
  try {
    const driver = kafkajsDriver({ brokers: ['h:1'] }, { codecs: { lz4: () => codec } })
    expect(driver.capabilities.compression).toEqual(['none', 'gzip', 'lz4'])
  } finally {
    table[3] = before
  }
})

test('log lines carry neither secrets of the configuration nor bytes of records', () => {
  const lines: string[] = []
  const take = (fields: object, message: string): void => void lines.push(message + JSON.stringify(fields))
  const logger = { debug: take, info: take, warn: take, error: take }
  const sasl = { mechanism: 'plain', username: 'u', password: 'hunter2' } as const
  const log = bridgeLogs(logger, { sasl })(kafkajs.logLevel.DEBUG)
  log({
    namespace: 'Connection',
    level: kafkajs.logLevel.ERROR,
    label: 'ERROR',
    log: {
      timestamp: '',
      logger: 'kafkajs',
      message: 'refused hunter2',
      error: 'hunter2',
      broker: 'h:1',
      payload: 'bytes',
      data: 'bytes',
    },
  } as never)
  expect(lines).toEqual([
    'refused [secret]{"client":"kafkajs","namespace":"Connection","broker":"h:1","error":"[secret]"}',
  ])
})

test.each<[string, Partial<KafkaConfig>]>([
  ['brokers', { brokers: () => Promise.reject(new Error('token abc')) }],
  ['socketFactory', { socketFactory: secretly }],
  ['sasl.oauthBearerProvider', { sasl: { mechanism: 'oauthbearer', oauthBearerProvider: secretly } }],
  ['sasl.authenticationProvider', { sasl: { mechanism: 'own', authenticationProvider: secretly } }],
  [
    'sasl.authenticationProvider',
    { sasl: { mechanism: 'own', authenticationProvider: () => ({ authenticate: async () => secretly() }) } },
  ],
])("what a function of the configuration throws does not travel on in kafkajs' errors: %s", async (option, config) => {
  const { config: guarded } = createKafkajsContext({ brokers: ['h:1'], ...config })
  const { brokers, socketFactory, sasl } = guarded
  const error = await (async () => {
    if (option === 'brokers') await (brokers as () => Promise<unknown>)()
    if (option === 'socketFactory') socketFactory!({} as never)
    if (sasl !== undefined && 'oauthBearerProvider' in sasl) await sasl.oauthBearerProvider()
    if (sasl !== undefined && 'authenticationProvider' in sasl)
      await sasl.authenticationProvider({} as never).authenticate()
  })().then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect((error as Error).message).toMatch(
    new RegExp(`^the function ${option} of the configuration threw Error at kafkajs-config\\.test\\.ts:\\d+:\\d+$`),
  )
})

function secretly(): never {
  throw new Error('token abc')
}

test('each client begins with another seed broker, so that a silent one does not stop them all', () => {
  const context = createKafkajsContext({ brokers: ['a:1', 'b:1', 'c:1'] })
  const seeds = [0, 1, 2, 3].map(() => {
    const kafka = context.newKafka() as unknown as {
      [key: symbol]: (options: object) => { connectionPoolBuilder: { build(): Promise<{ host: string }> } }
    }
    const [createCluster] = Object.getOwnPropertySymbols(kafka).filter((symbol) =>
      String(symbol).includes('createCluster'),
    )
    return kafka[createCluster!]!({}).connectionPoolBuilder.build()
  })
  return expect(Promise.all(seeds).then((pools) => pools.map(({ host }) => host))).resolves.toEqual([
    'a',
    'b',
    'c',
    'a',
  ])
})

test('errors keep the name that Kafka gave, and a cause only where it cannot quote anything', () => {
  const protocol = new kafkajs.KafkaJSProtocolError({ type: 'UNKNOWN_MEMBER_ID', code: 25, message: 'x' } as never)
  const wrapped = Object.assign(new kafkajs.KafkaJSNonRetriableError(protocol), { cause: protocol })
  const lost = toHoldfastError(wrapped, 'commit', 'group g')
  expect(lost).toMatchObject({
    code: 'HOLDFAST_EPOCH_LOST',
    message: 'committing offsets failed (group g): UNKNOWN_MEMBER_ID',
    cause: protocol,
  })

  const quoting = toHoldfastError(new TypeError('Received "my payload"'), 'produce')
  expect(quoting).toMatchObject({ code: 'HOLDFAST_INDETERMINATE', message: 'producing failed: TypeError' })
  expect(quoting.cause).toBeUndefined()

  const unknown = new kafkajs.KafkaJSProtocolError({
    type: 'KAFKAJS_UNKNOWN_ERROR_CODE',
    code: -99,
    message: 'Unknown error code 90',
  } as never)
  expect(toHoldfastError(unknown, 'transaction').code).toBe('HOLDFAST_FENCED')
  expect(toHoldfastError(null, 'connect').code).toBe('HOLDFAST_UNAVAILABLE')
})
