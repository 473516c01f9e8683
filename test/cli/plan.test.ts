import { expect, test } from 'vitest'
import type { ReliabilityPlan } from 'holdfast'
import { folderWith, holdfast, moduleWith, PREAMBLE } from './world.ts'

const SOUND = `.on(topic('orders'), () => {}, { dedupe: { store } })`
const BROKEN = `.on(topic('orders'), () => {}, { dedupe: { store, leaseMs: 60_000 } })`

test('plan prints each consumer as a table with the arithmetic of its bounds, and ends with 0 where all hold', async () => {
  const folder = folderWith({
    'holdfast.config.mjs': moduleWith(
      SOUND,
      `.on(topic('payments'), () => {}).on(topic('views'), () => {}, { delivery: 'at-most-once' })`,
    ),
  })
  const { code, output, errors } = await holdfast(['plan'], { folder })
  expect([code, errors]).toEqual([0, ''])
  expect(output).toMatchInlineSnapshot(`
    "group group-0: 64 handlers at a time, session 30 s, rebalance 1 min, drain 10 s, greatest lag 1 h, replay window 0 s

      topic   delivered      order  at a time  attempts  longest retry  exhausted   duplicates  lease       remembered
      orders  at least once  key    64         4         20 min 1 s     orders.dlq  store       5 min 30 s  1 d

      ok  heartbeats within the session          heartbeatIntervalMs 3,000 < sessionTimeoutMs 30,000
      ok  drain and commit within the rebalance  drainTimeoutMs 10,000 + heartbeatIntervalMs 3,000 + fetch 500 + commit 5,000 = 18,500 <= rebalanceTimeoutMs 60,000
      ok  orders: lease outlives the handler     leaseMs 330,000 > handlerTimeoutMs 300,000
      ok  orders: memory outlives duplicates     ttlMs 86,400,000 >= longest retry 1,201,680 + maxLagMs 3,600,000 + replayWindowMs 0 = 4,801,680

    group group-1: 64 handlers at a time, session 30 s, rebalance 1 min, drain 10 s, greatest lag 1 h, replay window 0 s

      topic     delivered      order  at a time  attempts  longest retry  exhausted     duplicates     lease  remembered
      payments  at least once  key    64         4         20 min 1 s     payments.dlq  handled again  -      -
      views     at most once   key    64         1         5 min          skipped       none come      -      -

      ok  heartbeats within the session          heartbeatIntervalMs 3,000 < sessionTimeoutMs 30,000
      ok  drain and commit within the rebalance  drainTimeoutMs 10,000 + heartbeatIntervalMs 3,000 + fetch 500 + commit 5,000 = 18,500 <= rebalanceTimeoutMs 60,000

    6 bounds hold
    "
  `)
})

test('a bound that does not hold is marked, with what breaks without it, and is exit code 1 for a pipeline to stop at', async () => {
  const folder = folderWith({ 'holdfast.config.mjs': moduleWith(SOUND, BROKEN) })
  const { code, output, errors } = await holdfast(['plan'], { folder })
  expect([code, errors]).toEqual([1, ''])
  expect(output).toMatch(
    /^ {2}BROKEN {2}orders: lease outlives the handler +leaseMs 60,000 > handlerTimeoutMs 300,000$/m,
  )
  expect(output).toMatch(/^ {4}orders\.dedupe\.leaseMs: A process that cannot renew its lease/m)
  expect(output).toMatch(/^7 bounds hold, 1 does not$/m)
})

test('a bound that nobody can know is told, and is no failure', async () => {
  const silent = `.on(topic('orders'), () => {}, { dedupe: { store: { ...store, ttlMs: undefined } } })`
  const folder = folderWith({ 'holdfast.config.mjs': moduleWith(silent) })
  const { code, output } = await holdfast(['plan'], { folder })
  expect(code).toBe(0)
  expect(output).toMatch(/^ {2}unknown +orders: memory outlives duplicates/m)
  expect(output).toMatch(/^3 bounds hold, 1 cannot be known$/m)
})

test('--json gives machines the plans as they are, with the same exit code', async () => {
  const folder = folderWith({ 'holdfast.config.mjs': moduleWith(SOUND, BROKEN) })
  const { code, output, errors } = await holdfast(['plan', '--json'], { folder })
  expect([code, errors]).toEqual([1, ''])
  const said = JSON.parse(output) as { bounds: unknown; consumers: readonly ReliabilityPlan[] }
  expect(said.bounds).toEqual({ holding: 7, broken: 1, unknown: 0 })
  expect(said.consumers.map(({ groupId }) => groupId)).toEqual(['group-0', 'group-1'])
  expect(said.consumers[1]!.topics[0]!.bounds[0]).toMatchObject({ path: 'orders.dedupe.leaseMs', holds: false })
})

test('a function makes the consumers, and only the command that needs them calls it', async () => {
  const folder = folderWith({
    'holdfast.config.mjs': `${PREAMBLE}
export default defineConfig({ consumers: async () => [createConsumer({ driver, groupId: 'late' })${SOUND}] })`,
  })
  expect((await holdfast(['plan'], { folder })).output).toMatch(/^group late: /m)
  const never = folderWith({
    'holdfast.config.mjs': `export default { consumers: () => { throw new Error('too early') } }`,
  })
  expect((await holdfast(['postgres', 'migrate', '--print'], { folder: never })).code).toBe(0)
  expect(await holdfast(['plan'], { folder: never })).toMatchObject({
    code: 2,
    errors: expect.stringMatching(/consumers\(\) failed\nError: too early\n\s+at .*holdfast\.config\.mjs/),
  })
})

test('what is wrong with the options of all consumers is listed at once, with the place of each', async () => {
  const folder = folderWith({
    'holdfast.config.mjs': moduleWith(
      `.on(topic('orders'), () => {}, { dedupe: { store: {} } })`,
      SOUND,
      `.on(topic('orders'), () => {}, { deadLetter: false, orderings: 'key' })`,
    ),
  })
  const { code, output, errors } = await holdfast(['plan'], { folder })
  expect([code, output]).toEqual([2, ''])
  expect(errors).toContain('consumers[0].orders.dedupe.store: must be a DedupeStore')
  expect(errors).toContain('consumers[2].orders.onExhausted: ')
  expect(errors).toContain('orderings')
})

test('a consumer that was started by loading the configuration is refused: it would take partitions from those that do the work', async () => {
  const folder = folderWith({
    'holdfast.config.mjs': `${PREAMBLE}
const consumer = createConsumer({ driver, groupId: 'eager' })${SOUND}
await consumer.start()
export default defineConfig({ consumers: [consumer, {}, null] })
globalThis.closeEager = () => consumer.close()`,
  })
  const { code, errors } = await holdfast(['plan'], { folder })
  await (globalThis as unknown as { closeEager(): Promise<void> }).closeEager()
  expect(code).toBe(2)
  expect(errors).toContain('consumers[0]: was started')
  expect(errors).toContain('consumers[1]: is no consumer')
  expect(errors).toContain('consumers[2]: is no consumer')
})

test('colours are for a terminal alone, and not where NO_COLOR is set or the terminal has none', async () => {
  const folder = folderWith({ 'holdfast.config.mjs': moduleWith(BROKEN) })
  const ESCAPE = '\u001b['
  const painted = await holdfast(['plan'], { folder, isTerminal: true })
  expect(painted.output).toContain(`${ESCAPE}31m`)
  for (const environment of [{ NO_COLOR: '1' }, { TERM: 'dumb' }])
    expect((await holdfast(['plan'], { folder, isTerminal: true, environment })).output).not.toContain(ESCAPE)
  expect((await holdfast(['plan'], { folder, isTerminal: true, environment: { NO_COLOR: '' } })).output).toContain(
    ESCAPE,
  )
  const plain = await holdfast(['plan'], { folder })
  expect(plain.output).not.toContain(ESCAPE)
  expect((await holdfast(['plan', '--config', 'none.mjs'], { folder, isTerminal: true })).errors).toContain(ESCAPE)
})

test('a name with control characters cannot move the terminal’s cursor', async () => {
  const folder = folderWith({
    'holdfast.config.mjs': `${PREAMBLE}
export default { consumers: [createConsumer({ driver, groupId: 'a\\u001b[2Jb\\rc' })${SOUND}] }`,
  })
  expect((await holdfast(['plan'], { folder })).output).toMatch(/^group a\\x1b\[2Jb\\x0dc: /m)
})
