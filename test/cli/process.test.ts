import { expect, test } from 'vitest'
import { startHoldfast } from './holdfast-process.ts'
import { folderWith, moduleWith } from './world.ts'

const SOUND = `.on(topic('orders'), () => {})`

test('a pipe gets all of a long answer before the process ends, and what a configuration has left open does not keep it', async () => {
  const many = moduleWith(...Array.from({ length: 300 }, () => SOUND))
  const folder = folderWith({ 'holdfast.config.mjs': `${many}\nsetInterval(() => {}, 1_000)` })
  const { code, output, errors } = await startHoldfast(['plan', '--json'], folder).ended
  expect([code, errors]).toEqual([0, ''])
  expect(output.length).toBeGreaterThan(300_000)
  expect((JSON.parse(output) as { consumers: unknown[] }).consumers).toHaveLength(300)
})

test('a reader that has had enough is no failure', async () => {
  const folder = folderWith({ 'holdfast.config.mjs': moduleWith(...Array.from({ length: 300 }, () => SOUND)) })
  const running = startHoldfast(['plan', '--json'], folder)
  running.child.stdout!.destroy()
  const { code, errors } = await running.ended
  expect([code, errors]).toEqual([0, ''])
})

test('a configuration that does not parse is told with its place', async () => {
  const folder = folderWith({ 'holdfast.config.mjs': 'export default {' })
  const { code, output, errors } = await startHoldfast(['plan'], folder).ended
  expect([code, output]).toEqual([2, ''])
  expect(errors).toMatch(/holdfast\.config\.mjs failed while it was loaded\n[^]*SyntaxError/)
})

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)(
  '%s ends a command whose configuration never loads, with the exit code of the signal',
  async (signal, expected) => {
    const folder = folderWith({
      'holdfast.config.mjs': `console.error('loading')
await new Promise(() => setInterval(() => {}, 1_000))`,
    })
    const running = startHoldfast(['plan'], folder)
    await running.said('loading')
    running.child.kill(signal)
    expect((await running.ended).code).toBe(expected)
  },
)

test('a configuration that waits for what never comes is a failure, and not a silent success', async () => {
  const folder = folderWith({ 'holdfast.config.mjs': 'await new Promise(() => {})' })
  expect(await startHoldfast(['plan'], folder).ended).toMatchObject({
    code: 1,
    output: '',
    errors: 'error: the configuration waits for something that never comes\n',
  })
})
