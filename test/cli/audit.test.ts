import { expect, test } from 'vitest'
import { progressText } from '../../src/cli/audit-progress.ts'
import { durationMs, momentMs } from '../../src/cli/audit-window.ts'
import { paintFor } from '../../src/cli/paint.ts'
import { startHoldfast } from './holdfast-process.ts'
import { folderWith, holdfast } from './world.ts'

/** A configuration whose driver has two topics in memory. */
const configuration = (mirror: string): string => `import { defineConfig } from 'holdfast'
import { createInMemoryCluster, inMemoryDriver } from 'holdfast/testing'
const cluster = createInMemoryCluster({ topics: [{ topic: 'orders' }, { topic: 'mirror' }] })
const record = (topic) => (n) => ({
  topic, partition: 0, key: Buffer.from('k\\u001b[2J' + (n % 2)), value: Buffer.from('a-secret'),
  headers: [['holdfast-id', Buffer.from('m' + n)]], timestamp: BigInt(1_700_000_000_000 + n),
})
cluster.append([0, 1, 2, 3, 4, 5, 6, 7].map(record('orders')))
cluster.append(${mirror}.map(record('mirror')))
export default defineConfig({ driver: inMemoryDriver({ cluster }) })
`
const MIRROR = ['audit', '--from', 'topic:orders', '--to', 'topic:mirror']
const folderOf = (mirror: string): string => folderWith({ 'holdfast.config.mjs': configuration(mirror) })

test('a clean audit says so, with exit code 0', async () => {
  const { code, output, errors } = await holdfast(MIRROR, { folder: folderOf('[0, 1, 2, 3, 4, 5, 6, 7]') })
  expect([code, errors]).toEqual([0, ''])
  expect(output).toMatchInlineSnapshot(`
    "topic orders -> topic mirror: all of it, grace 30 s

      8  messages
      8  on the other side

    nothing is missing, doubled or out of order
    "
  `)
})

test('findings are exit code 1, told with their places and times, and neither payloads nor keys are shown', async () => {
  const { code, output, errors } = await holdfast([...MIRROR, '--extra'], {
    folder: folderOf('[0, 3, 1, 1, 5, 7, 6, 99]'),
  })
  expect([code, errors]).toEqual([1, ''])
  expect(output).toMatchInlineSnapshot(`
    "topic orders -> topic mirror: all of it, grace 30 s

      8  messages
      6  on the other side

    missing: 2 not on the other side
      2  0@2 to 0@4  key dd322ddb008d6ebc  2023-11-14T22:13:20.002Z to 2023-11-14T22:13:20.004Z

    duplicate: 1 more than once on the other side
      1  0@3  key ad4cd0e023ed1c98  2023-11-14T22:13:20.001Z

    reordered: 1 behind a later one of their key
      1  0@2  behind 0@3  key ad4cd0e023ed1c98  2023-11-14T22:13:20.001Z

    extra: 1 on the other side alone
      1  0@7  key ad4cd0e023ed1c98  2023-11-14T22:13:20.099Z

    2 missing, 1 duplicate, 1 reordered, 1 extra
    "
  `)
  expect(output).not.toContain('secret')
})

test('--keys shows keys, without what could move the cursor', async () => {
  const { output } = await holdfast([...MIRROR, '--keys'], { folder: folderOf('[0, 1]') })
  expect(output).toContain('key k\\x1b[2J0')
})

test('--json is one document, with offsets as text', async () => {
  const { code, output, errors } = await holdfast([...MIRROR, '--json', '--keys', '--show', '1'], {
    folder: folderOf('[0, 1, 4]'),
    isTerminal: true,
  })
  expect([code, errors]).toEqual([1, ''])
  const report = JSON.parse(output) as Record<string, unknown>
  expect(report).toMatchObject({
    clean: false,
    from: 'topic orders',
    window: { since: null, until: null, graceMs: 30_000 },
    counts: { judged: 8, matched: 3, missing: 5, duplicate: 0 },
    ranges: { missing: 3 },
  })
  expect(report['findings']).toMatchObject({
    missing: [
      {
        count: 1,
        key: 'k\u001b[2J0',
        first: { partition: 0, offset: '2', at: '2023-11-14T22:13:20.002Z' },
      },
    ],
  })
})

test('on a terminal it shows how far it is, and takes the line away', async () => {
  const { errors, output } = await holdfast(MIRROR, { folder: folderOf('[0]'), isTerminal: true })
  expect(errors).toContain('reading the first side')
  expect(errors.endsWith('\r\u001b[K')).toBe(true)
  expect(output).toContain('missing')
})

test('a progress line has a bar, counts, a rate and what is left, where the end is known', () => {
  const plain = paintFor({ isTerminal: false, write() {} }, {})
  expect(progressText({ stage: 'to', done: 30_000, expected: 120_000 }, 1_500, plain)).toBe(
    'reading the other side [######------------------] 25 %, 30,000 of 120,000, 20,000/s, 5 s left',
  )
  expect(progressText({ stage: 'from', done: 5_000, expected: null }, 1_000, plain)).toBe(
    'reading the first side: 5,000, 5,000/s',
  )
  expect(progressText({ stage: 'from', done: 10, expected: 5 }, 0, plain)).toBe('reading the first side: 10')
})

test('everything that is wrong with a call is listed at once, with exit code 2', async () => {
  const call = async (...args: readonly string[]): Promise<string> => {
    const { code, output, errors } = await holdfast(['audit', ...args])
    expect([args, code, output]).toEqual([args, 2, ''])
    return errors
  }
  const unfit = {
    '--from': 'inbox',
    '--to': 'outbox',
    '--since': 'yesterday',
    '--until': '2026-01-01T00:00',
    '--grace': '5',
    '--memory-mb': '0',
    '--show': 'all',
    '--brokers': 'localhost',
  }
  const errors = await call(...Object.entries(unfit).flat())
  for (const path of Object.keys(unfit)) expect(errors).toContain(`- ${path}: `)
  expect(await call('--from', 'outbox', '--to', 'topic:orders')).toContain('- --brokers: name them')
  const brokers = ['--brokers', 'localhost:9092']
  expect(await call('--from', 'topic:a', '--to', 'inbox', ...brokers)).toContain('- --group: is needed')
  expect(await call('--from', 'topic:a', '--to', 'inbox', '--group', 'g', '--extra', ...brokers)).toContain(
    '- --extra: ',
  )
  expect(await call('--from', 'topic:a', '--to', 'topic:a', ...brokers)).toContain('- --to: must be another topic')
  expect(await call('--from', 'topic:a', '--to', 'topic:b', '--group', 'g', ...brokers)).toContain('- --group: belongs')
  expect(await call('--from', 'outbox', '--to', 'inbox', '--group', 'g', ...brokers)).toContain(
    '- --from: must be topic:',
  )
  expect(await call('--from', 'topic:a', '--to', 'topic:b', '--since', '1h', '--until', '2h', ...brokers)).toContain(
    '- --until: must be after --since',
  )
  expect(await call('--from', 'outbox', '--to', 'topic:a', ...brokers)).toContain('--database-url')
  expect(await call('--to', 'topic:a')).toContain("required option '--from <side>' not specified")
})

test('a driver of the configuration that is none is told', async () => {
  const folder = folderWith({ 'holdfast.config.mjs': 'export default { driver: { brokers: ["a:1"] } }' })
  const { code, errors } = await holdfast(MIRROR, { folder })
  expect(code).toBe(2)
  expect(errors).toContain('- driver: must be a driver')
})

test('a topic that is not there is told, with exit code 1', async () => {
  const { code, errors } = await holdfast(['audit', '--from', 'topic:orders', '--to', 'topic:gone'], {
    folder: folderOf('[]'),
  })
  expect([code, errors]).toEqual([1, expect.stringContaining('the topic gone does not exist')])
})

test('moments are ISO times with a zone, or durations before now', () => {
  const now = Date.UTC(2026, 0, 2)
  expect(momentMs('2h', now)).toBe(now - 7_200_000)
  expect(momentMs('1.5min', now)).toBe(now - 90_000)
  expect(momentMs('2026-01-01', now)).toBe(now - 86_400_000)
  expect(momentMs('2026-01-01T12:00+02:00', now)).toBe(Date.UTC(2026, 0, 1, 10))
  expect(momentMs('2026-01-01T12:00:00.250Z', now)).toBe(Date.UTC(2026, 0, 1, 12, 0, 0, 250))
  for (const unfit of ['2026-01-01T12:00', '12:00', '', '2', '-2h', '2 h', '2026-13-01', 'now'])
    expect([unfit, momentMs(unfit, now)]).toEqual([unfit, null])
  expect(['250ms', '30s', '5m', '5min', '1d'].map(durationMs)).toEqual([250, 30_000, 300_000, 300_000, 86_400_000])
})

test('SIGINT ends it while it reads, with exit code 130', async () => {
  const endless = configuration('[]').replace(
    'inMemoryDriver({ cluster })',
    `{ ...inMemoryDriver({ cluster }), createAdmin: () => (console.error('asked'), setInterval(() => {}, 1000), {
      connect: () => new Promise(() => {}), close: async () => {} }) }`,
  )
  const running = startHoldfast(MIRROR, folderWith({ 'holdfast.config.mjs': endless }))
  await running.said('asked')
  running.child.kill('SIGINT')
  expect(await running.ended).toMatchObject({ code: 130, output: '' })
})
