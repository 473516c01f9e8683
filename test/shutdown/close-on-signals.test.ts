import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import type { CloseOnSignalsOptions } from '../../src/shutdown/index.ts'
import { closeOnSignals } from '../../src/shutdown/index.ts'

const children = new Set<ChildProcess>()
afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  children.clear()
})

interface Running {
  readonly child: ChildProcess
  readonly lines: readonly string[]
  /** Resolves when the process has said this. */
  readonly said: (line: string) => Promise<void>
  /** How the process has ended: its exit code, or the signal that has killed it. */
  readonly ended: Promise<number | string>
}

/** Starts the process of `process.ts`, and waits until it listens. */
async function run(scene: string): Promise<Running> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'test/shutdown/process.ts', scene], { stdio: 'pipe' })
  children.add(child)
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string)
  let text = ''
  let look = (): void => {}
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    look()
  })
  child.stderr.resume()
  const said = (line: string): Promise<void> =>
    new Promise((resolve, reject) => {
      look = () => {
        if (text.split('\n').includes(line)) resolve()
      }
      look()
      void ended.then(() => reject(new Error(`ended without saying "${line}":\n${text}`)))
    })
  await said(scene === 'off' ? 'listening 0 0' : 'listening 1 1')
  return {
    child,
    said,
    ended,
    get lines() {
      return text.split('\n').filter((line) => line !== '' && !line.startsWith('listening'))
    },
  }
}

const CLEAN = [
  'info: closing',
  'closing first',
  'closing second',
  'closed first',
  'closed second',
  'closing producer',
  'closed producer',
  'info: everything has closed',
]

test.each(['SIGTERM', 'SIGINT'] as const)(
  'at %s everything is closed in order, a group together, and the process exits with 0, whatever else would keep it alive',
  async (signal) => {
    const one = await run('clean')
    one.child.kill(signal)
    expect(await one.ended).toBe(0)
    expect(one.lines).toEqual(CLEAN)
  },
)

test('the code of a clean end can be chosen', async () => {
  const one = await run('own-code')
  one.child.kill('SIGTERM')
  expect(await one.ended).toBe(7)
})

test.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)('a second signal, %s, ends the process at once, with 128 and its number', async (second, code) => {
  const one = await run('hangs-long')
  one.child.kill('SIGTERM')
  await one.said('half a second later')
  one.child.kill(second)
  expect(await one.ended).toBe(code)
  expect(one.lines.at(-1)).toBe('error: a second signal: the process ends at once')
  expect(one.lines).not.toContain('closed producer')
})

test('the same signal twice within milliseconds is one: npm start passes a Ctrl-C on that the terminal has given to both', async () => {
  const one = await run('clean')
  one.child.kill('SIGINT')
  await one.said('closing first')
  one.child.kill('SIGINT')
  expect(await one.ended).toBe(0)
  expect(one.lines).toEqual(CLEAN)
})

test('another signal ends the process at once, however soon it comes', async () => {
  const one = await run('hangs-long')
  one.child.kill('SIGINT')
  await one.said('closing producer')
  one.child.kill('SIGTERM')
  expect(await one.ended).toBe(143)
})

test('a logger that throws keeps nothing from being closed', async () => {
  const one = await run('logger-throws')
  one.child.kill('SIGTERM')
  expect(await one.ended).toBe(0)
  expect(one.lines).toEqual(CLEAN)
})

test.each(['hangs', 'hangs-idle'])('a close that hangs ends with the time: exit code 1 (%s)', async (scene) => {
  const one = await run(scene)
  const began = performance.now()
  one.child.kill('SIGTERM')
  expect(await one.ended).toBe(1)
  expect(performance.now() - began).toBeGreaterThan(900)
  expect(one.lines.slice(-2)).toEqual([
    'closing producer',
    'error: not everything has closed in time: the process ends without it',
  ])
})

test('a close that fails keeps nothing else from being closed, and the process exits with 1', async () => {
  const one = await run('rejects')
  one.child.kill('SIGTERM')
  expect(await one.ended).toBe(1)
  expect(one.lines).toContain('closed first')
  expect(one.lines).toContain('closed producer')
  expect(one.lines.filter((line) => line.startsWith('error'))).toEqual([
    'error: a close has failed; the others are closed all the same',
  ])
})

test('once the listeners are off, a signal does what it does without us', async () => {
  const one = await run('off')
  one.child.kill('SIGTERM')
  expect(await one.ended).toBe('SIGTERM')
  expect(one.lines).toEqual([])
})

test('listeners are added once for each signal, and all of them are taken off', () => {
  const counts = (): number[] => ['SIGTERM', 'SIGINT', 'SIGUSR2'].map((signal) => process.listenerCount(signal))
  const before = counts()
  const offs = Array.from({ length: 5 }, () =>
    closeOnSignals([{ close: () => {} }], { signals: ['SIGTERM', 'SIGUSR2', 'SIGTERM'] }),
  )
  expect(counts().map((count, i) => count - before[i]!)).toEqual([5, 0, 5])
  for (const off of [...offs, ...offs]) off()
  expect(counts()).toEqual(before)
})

test('what does not fit is refused, with every problem, and nothing is listened to', () => {
  const before = process.listenerCount('SIGTERM')
  const options = { signals: ['SIGTERM', 'SIGKILL', 'SIGNONE'], timeoutMs: 0, exitCode: 256 } as unknown
  const problems = ['closables.1', 'closables.2', 'signals', 'signals', 'timeoutMs', 'exitCode']
  expect(() => closeOnSignals([{ close: () => {} }, [{}, null]] as never, options as CloseOnSignalsOptions)).toThrow(
    expect.objectContaining({
      code: 'HOLDFAST_CONFIG_INVALID',
      problems: problems.map((path) => expect.objectContaining({ path })),
    }),
  )
  expect(process.listenerCount('SIGTERM')).toBe(before)
})

test('a producer that closes with unconfirmed sends makes the exit code tell: they may be lost', async () => {
  const one = await run('unconfirmed')
  one.child.kill('SIGTERM')
  expect(await one.ended).toBe(1)
  expect(one.lines).toContain('error: a producer has closed with sends that were not confirmed')
})
