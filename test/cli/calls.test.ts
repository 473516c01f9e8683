import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { folderWith, holdfast } from './world.ts'

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }

test('--version prints the version of the package', async () => {
  expect(await holdfast(['--version'])).toEqual({ code: 0, output: `${version}\n`, errors: '' })
})

test.each([
  [['--help']],
  [['plan', '--help']],
  [['postgres', '--help']],
  [['postgres', 'migrate', '--help']],
  [['help', 'plan']],
])('help of %j is asked for, so it is output and exit code 0', async (args) => {
  const { code, output, errors } = await holdfast(args)
  expect([code, errors]).toEqual([0, ''])
  expect(output).toMatch(/^Usage: holdfast/)
})

test.each([[['--help']], [['plan', '--help']], [['postgres', 'migrate', '--help']]])(
  'help of %j has examples and exit codes',
  async (args) => {
    const { output } = await holdfast(args)
    expect(output).toMatch(/Examples:\n {2}holdfast /)
    expect(output).toContain('Exit codes: 0 fine, 1 ')
  },
)

test.each([
  [['plann'], "unknown command 'plann'\n(Did you mean plan?)"],
  [['postgres', 'migrat'], "unknown command 'migrat'\n(Did you mean migrate?)"],
  [['plan', '--jsn'], "unknown option '--jsn'\n(Did you mean --json?)"],
  [['postgres', 'migrate', '--tabel', 'x'], "unknown option '--tabel'\n(Did you mean --table?)"],
  [['plan', 'orders'], 'too many arguments'],
  [['plan', '--config'], "option '--config <file>' argument missing"],
])('%j is a bad call: the nearest is named, nothing is done, and the exit code is 2', async (args, expected) => {
  const { code, output, errors } = await holdfast(args)
  expect([code, output]).toEqual([2, ''])
  expect(errors).toContain(expected)
})

test.each([[[]], [['postgres']]])(
  'a call without a command (%j) shows what there is as an error, since nothing was done',
  async (args) => {
    const { code, output, errors } = await holdfast(args)
    expect([code, output]).toEqual([2, ''])
    expect(errors).toMatch(/^Usage: holdfast/)
  },
)

test('a password in a call that does not fit is not repeated', async () => {
  for (const args of [
    ['postgres', 'migrate', '--database-ur=postgres://u:a-secret@h/d'],
    ['postgres://u:a-secret@h/d'],
    ['postgres', 'migrate', '--database-url', 'mysql://u:a-secret@h/d'],
    ['postgres', 'migrate', '--database-url', 'u:a-secret@h/d'],
    ['postgres', 'migrate', '--config', 'postgres://u:a-secr@et@h/d'],
  ]) {
    const { code, output, errors } = await holdfast(args, { folder: folderWith({}) })
    expect([args, code, output]).toEqual([args, 2, ''])
    expect(errors).not.toMatch(/a-secr/)
  }
})

test('migrate without a database says the three ways to name one', async () => {
  const { code, errors } = await holdfast(['postgres', 'migrate'], { environment: { DATABASE_URL: '' } })
  expect(code).toBe(2)
  for (const way of ['--database-url', 'DATABASE_URL', 'postgres.url']) expect(errors).toContain(way)
})

test('--print quotes every name, refuses what PostgreSQL would cut, and connects to nothing', async () => {
  const environment = { DATABASE_URL: 'postgres://nobody:none@127.0.0.1:1/nowhere' }
  const print = ['postgres', 'migrate', '--print', '--schema', 'sch"ema; drop', '--table', 'we"ird']
  const { code, output } = await holdfast(print, { environment })
  expect(code).toBe(0)
  expect(output).toContain('create table if not exists "sch""ema; drop"."we""ird" (')
  const { output: json } = await holdfast([...print, '--json'], { environment })
  expect(JSON.parse(json)).toEqual({ schema: 'sch"ema; drop', table: 'we"ird', sql: output })
  const unfit = await holdfast(['postgres', 'migrate', '--print', '--table', 'x'.repeat(64), '--schema', ''])
  expect([unfit.code, unfit.output]).toEqual([2, ''])
  expect(unfit.errors).toMatch(/- schema: .*\n.*- table: /)
})
