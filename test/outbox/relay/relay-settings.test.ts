import { expect, test } from 'vitest'
import type { HoldfastError } from '../../../src/errors/index.ts'
import type { RelayOptions } from '../../../src/outbox/index.ts'
import { createOutbox, createRelay } from '../../../src/outbox/index.ts'
import { inMemoryDriver, inMemoryOutbox } from '../../../src/testing/index.ts'
import type { InMemoryDriver } from '../../../src/testing/index.ts'
import { failureOf } from '../../helpers/failure-of.ts'

const driver = (): InMemoryDriver => inMemoryDriver({ clientId: 'relay' })
const outbox = (notify = false) => createOutbox({ store: inMemoryOutbox({ notify }), source: 'shop' })
const withoutCapability = (missing: object): InMemoryDriver => ({
  ...driver(),
  capabilities: { ...driver().capabilities, ...missing },
})

const refusalOf = (options: RelayOptions): Promise<HoldfastError> =>
  failureOf(Promise.resolve().then(() => createRelay(options)))

test('options that do not fit are refused together', async () => {
  const error = await refusalOf({
    outbox: {},
    driver: 7,
    leaseMs: 10,
    maxBatchRecords: 0,
    worker: '',
    typo: 1,
  } as never)
  expect(error).toMatchObject({ code: 'HOLDFAST_CONFIG_INVALID' })
  const paths = error.problems.map(({ path }) => path)
  expect(paths).toEqual(
    expect.arrayContaining(['outbox', 'driver', 'leaseMs', 'maxBatchRecords', 'worker', '(options)']),
  )
})

test('a produce that could outlast half of the lease is refused, with the arithmetic', async () => {
  const error = await refusalOf({ outbox: outbox(), driver: driver(), leaseMs: 10_000, deliveryTimeoutMs: 6_000 })
  expect(error).toMatchObject({ problems: [{ path: 'deliveryTimeoutMs' }] })
  expect(String(error)).toContain('6000 × 2 > 10000')
})

test('what driver or store cannot do is refused with the reason', async () => {
  for (const options of [
    { driver: withoutCapability({ idempotentProducer: false }) },
    { driver: withoutCapability({ transactions: false }), transactionalIdPrefix: 'p' },
    { driver: withoutCapability({ compression: ['none'] }), compression: 'zstd' as const },
    { driver: driver(), listen: true },
  ]) {
    const error = await refusalOf({ outbox: outbox(), ...options })
    expect(error).toMatchObject({ code: 'HOLDFAST_UNSUPPORTED' })
  }
})
