import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { endSpinning } from '../../../src/driver/kafkajs/consumer-spinning.ts'
import { nextTurn } from '../../../src/clock/index.ts'

interface FetchManager {
  start(): Promise<void>
}
const createFetchManager = createRequire(import.meta.url)('kafkajs/src/consumer/fetchManager.js') as (options: {
  readonly logger: object
  readonly getNodeIds: () => number[]
  readonly fetch: () => Promise<readonly object[]>
  readonly handler: () => Promise<void>
  readonly concurrency: number
}) => FetchManager

const logger = { namespace: (): object => logger, debug() {}, info() {} }
const TOO_MANY = 100_000

/** What kafkajs makes of a stopped runner whose brokers have changed: fetchers that are started, and fetches that answer at once. */
function stoppedRunner(cluster: { getNodeIds(): number[] }): {
  readonly ended: Promise<unknown>
  readonly fetches: () => number
} {
  let fetches = 0
  const manager = createFetchManager({
    logger,
    concurrency: 1,
    getNodeIds: () => cluster.getNodeIds(),
    fetch: async () => {
      if (++fetches > TOO_MANY) throw new Error('it would have gone on for ever')
      return []
    },
    handler: async () => {},
  })
  return { ended: manager.start().catch((error: unknown) => error), fetches: () => fetches }
}

test('fetchers of a stopped kafkajs consumer spin without end, and nothing else of the process gets its turn', async () => {
  let turns = 0
  void nextTurn().then(() => turns++)
  const { ended } = stoppedRunner({ getNodeIds: () => [1, 2, 3] })
  expect(await ended).toMatchObject({ message: 'it would have gone on for ever' })
  expect(turns).toBe(0)
})

test('they are ended before the event loop stands still, so that the stop they belong to can end', async () => {
  const cluster = { getNodeIds: () => [1, 2, 3] }
  endSpinning(cluster)
  const { ended, fetches } = stoppedRunner(cluster)
  expect(await ended).toMatchObject({ message: expect.stringContaining('go round without end') as string })
  expect(fetches()).toBeLessThan(2_000)
})

test('who asks a few times in each turn of the event loop may ask for ever', async () => {
  const cluster = { getNodeIds: () => [1, 2, 3] }
  endSpinning(cluster)
  for (let turn = 0; turn < 500; turn++) {
    for (let i = 0; i < 10; i++) expect(cluster.getNodeIds()).toHaveLength(3)
    await nextTurn()
  }
})
