import { expect, test } from 'vitest'
import type { RelayHealth } from '../../src/outbox/index.ts'
import { progressText } from '../../src/cli/relay-progress.ts'
import { startHoldfast } from './holdfast-process.ts'
import type { Said } from './world.ts'
import { folderWith, holdfast } from './world.ts'

const PREAMBLE = `import { createOutbox, createRelay, defineConfig, defineTopic } from 'holdfast'
import { createInMemoryCluster, inMemoryDriver, inMemoryOutbox } from 'holdfast/testing'
import { z } from 'zod'
const orders = defineTopic({ name: 'orders', schema: z.object({ id: z.string() }), key: ({ id }) => id })
const cluster = createInMemoryCluster({ topics: [{ topic: 'orders' }] })
const driver = inMemoryDriver({ cluster })
const store = inMemoryOutbox()
const outbox = createOutbox({ store, source: 'shop' })
const enqueue = (id) => store.transact((tx) => outbox.enqueue(tx, orders, { id }))
const relay = createRelay({ outbox, driver, worker: 'w-1', idleIntervalMs: 10 })
`
const withRelay = (rest: string): string => folderWith({ 'holdfast.config.mjs': `${PREAMBLE}${rest}` })
const run = (folder: string, ...args: readonly string[]): Promise<Said> =>
  holdfast(['outbox', 'relay', ...args], { folder })

test('relay --until-empty sends what waits, says how much, and ends', async () => {
  const folder = withRelay(`for (const id of ['a', 'b', 'c']) await enqueue(id)
export default defineConfig({ relay: () => relay })`)
  const { code, output, errors } = await run(folder, '--until-empty')
  expect([code, output]).toEqual([0, '3 published\n'])
  expect(errors).toBe('relay w-1 has begun, with 64 of 64 buckets\n')
})

test('with --json each event is an object of its own on a line', async () => {
  const folder = withRelay(`await enqueue('a')
cluster.failNextProduce('orders', 'refused')
export default defineConfig({ relay })`)
  const { code, output, errors } = await run(folder, '--until-empty', '--json')
  expect([code, errors]).toEqual([0, ''])
  const events = output
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as object)
  expect(events.at(0)).toEqual({ event: 'started', worker: 'w-1', buckets: 64 })
  expect(events.at(1)).toMatchObject({ event: 'parked', topic: 'orders', code: 'HOLDFAST_REFUSED' })
  expect(events.at(-1)).toEqual({ event: 'ended', published: 0, underWay: 0 })
})

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s lets what is under way end, gives the buckets back, and is no failure',
  async (signal) => {
    const folder = withRelay(`export default defineConfig({ relay: async () => { await enqueue('a'); return relay } })
relay.listen('published', () => console.error('sent it'))`)
    const { child, said, ended } = startHoldfast(['outbox', 'relay'], folder)
    await said('sent it')
    child.kill(signal)
    const { code, output } = await ended
    expect([code, output]).toEqual([0, '1 published\n'])
  },
)

test('a relay that was to end when nothing waits says by its code that it was stopped before', async () => {
  const folder = withRelay(`cluster.partitionUnwritable('orders', true)
await enqueue('a')
export default defineConfig({ relay: createRelay({ outbox, driver, deliveryTimeoutMs: 300 }) })`)
  const { child, said, ended } = startHoldfast(['outbox', 'relay', '--until-empty'], folder)
  await said('has begun')
  child.kill('SIGTERM')
  expect(await ended).toMatchObject({ code: 143, output: '0 published\n' })
})

test.each([
  ['no relay', 'export default defineConfig({})', 'holdfast.config.mjs has no relay'],
  ['a relay that is none', 'export default defineConfig({ relay: {} })', 'relay: is no relay that createRelay'],
  ['a relay of no kind', 'export default { relay: 7 }', 'relay: must be what createRelay gives'],
  [
    'a relay that runs already',
    'await relay.start()\nexport default defineConfig({ relay })',
    'relay: was started, or closed, while the configuration was loaded',
  ],
  [
    'a function that fails',
    `export default defineConfig({ relay() { throw new Error('no broker') } })`,
    'relay() failed',
  ],
])('%s is told, with exit code 2', async (_, rest, expected) => {
  const folder = withRelay(rest)
  const { code, output, errors } = await run(folder)
  expect([code, output]).toEqual([2, ''])
  expect(errors).toContain(expected)
})

test('without a configuration it says that one is needed', async () => {
  const { code, errors } = await run(folderWith({}))
  expect(code).toBe(2)
  expect(errors).toContain('write holdfast.config.mjs that exports a relay')
})

test.each([
  [['retry'], 'say which rows: one of --id <message>, --topic <name> and --all'],
  [['retry', '--id', 'a', '--all'], 'say which rows'],
  [['discard', '--topic', '', '--yes'], 'say which rows'],
  [['discard', '--all'], '--yes: is needed where nobody can be asked'],
  [['list', '--limit', '0'], '--limit: must be an integer of 1 to 100,000'],
  [['list', '--limit', '1e3'], '--limit: must be an integer of 1 to 100,000'],
  [['list'], '--database-url: give it, set DATABASE_URL'],
])('outbox %j is refused with what to do, before anything is connected to', async (args, expected) => {
  const { code, output, errors } = await holdfast(['outbox', ...args])
  expect([code, output]).toEqual([2, ''])
  expect(errors).toContain(expected)
})

test('a line of progress says how much, how fast, and what is left', () => {
  const health: RelayHealth = {
    status: 'healthy',
    reasons: [],
    state: 'running',
    worker: 'w',
    buckets: [1, 2],
    underWay: 3,
    published: 12_345,
    outbox: { waiting: 10_000, more: true, oldestAgeMs: 3_000, parked: 1, behind: 1_200 },
  }
  expect(progressText(health, 800)).toBe(
    '12,345 published, 800/s, more than 10,000 waiting, oldest 3 s, 1 parked and 1,200 behind, 2 buckets',
  )
  const quiet = { waiting: 0, more: false, oldestAgeMs: null, parked: 0, behind: 0 }
  expect(progressText({ ...health, outbox: quiet }, 0)).toBe('12,345 published, 0/s, 0 waiting, 2 buckets')
  expect(progressText({ ...health, outbox: null }, 0)).toBe('12,345 published, 0/s, 2 buckets')
})
