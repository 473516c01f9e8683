import { expect, test } from 'vitest'
import { HoldfastError } from '../../src/errors/index.ts'
import { createProducer } from '../../src/producer/index.ts'
import { inMemoryDriver } from '../../src/testing/index.ts'

const driver = inMemoryDriver()

function failure(options: object): HoldfastError {
  try {
    createProducer(options as never)
  } catch (error) {
    if (HoldfastError.is(error)) return error
    throw error
  }
  throw new Error('was made')
}

test('reports every option that does not fit at once, contradictions too', () => {
  const error = failure({
    driver: {},
    source: '',
    deliveryTimeoutMs: NaN,
    lingerMs: '5',
    maxBatchRecords: 0,
    maxBatchBytes: 3_000_000,
    maxRequestBytes: 2_000_000,
    maxBufferedBytes: 1_000_000,
    compression: 'zip',
    transactionTimeoutMs: 5_000,
    logger: { info() {} },
    partitioner: 'murmur2',
    lingerMS: 5,
  })
  expect(error.code).toBe('HOLDFAST_CONFIG_INVALID')
  expect(error.problems.map(({ path }) => path)).toEqual([
    'driver',
    'source',
    'deliveryTimeoutMs',
    'lingerMs',
    'maxBatchRecords',
    'compression',
    'partitioner',
    'logger',
    '(options)',
    'maxBufferedBytes',
    'maxBatchBytes',
    'transactionTimeoutMs',
  ])
})

test.each([
  [{ lingerMs: 100, deliveryTimeoutMs: 100 }, 'lingerMs'],
  [{ deliveryTimeoutMs: 2 ** 31 }, 'deliveryTimeoutMs'],
  [{ deliveryTimeoutMs: 1.5 }, 'deliveryTimeoutMs'],
  [{ transactionalId: '' }, 'transactionalId'],
  [{ source: '\ud800' }, 'source'],
])('refuses %j', (options, path) => {
  expect(failure({ driver, ...options }).problems.map((problem) => problem.path)).toEqual([path])
})

test('refuses no options at all in words', () => {
  expect(failure(undefined as never).code).toBe('HOLDFAST_CONFIG_INVALID')
})

test('refuses what the driver cannot do, and says so', () => {
  const narrow = { ...driver, capabilities: { ...driver.capabilities, compression: ['none'], transactions: false } }
  expect(failure({ driver: narrow, compression: 'gzip' })).toMatchObject({
    code: 'HOLDFAST_UNSUPPORTED',
    message: 'compression: in-memory cannot do gzip, only none',
  })
  expect(failure({ driver: narrow, transactionalId: 'a' }).code).toBe('HOLDFAST_UNSUPPORTED')
})

test('refuses a driver without idempotence, which would lose or double messages after a lost answer', () => {
  const careless = { ...driver, capabilities: { ...driver.capabilities, idempotentProducer: false } }
  expect(failure({ driver: careless })).toMatchObject({
    code: 'HOLDFAST_UNSUPPORTED',
    message: 'in-memory has no idempotent producer: an answer that is lost could lose or double a message',
  })
})
