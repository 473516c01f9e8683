import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { filesUnder } from '../helpers/source-files.ts'

const PROCESS = /\bprocess\./
const FORBIDDEN = [
  PROCESS,
  /\bDate\.now\b/,
  /\bnew Date\(\)/,
  /\bperformance\b/,
  /\bset(Timeout|Interval|Immediate)\b/,
  /\bqueueMicrotask\b/,
  /\bnextTick\b/,
  /\bMath\.random\b/,
  /\brandomUUID\b/,
  /\bAbortSignal\.timeout\b/,
  /(?<!import \{ createHash \} )from 'node:crypto'/,
  /from 'node:(timers|timers\/promises|perf_hooks|process)'/,
]

// To close at a signal is to listen to the process, and to end it; a command is a process.
const isAllowed = (file: string, pattern: RegExp): boolean =>
  (file.startsWith('src/shutdown/') || file === 'src/cli/main.ts') && pattern === PROCESS

test('only clock/ touches time, timers, randomness, ids and environment, so that a simulator can own them', () => {
  const broken = filesUnder('src')
    .filter((file) => !file.startsWith('src/clock/'))
    .flatMap((file) => {
      const code = withoutComments(readFileSync(file, 'utf8'))
      const found = FORBIDDEN.filter((pattern) => pattern.test(code) && !isAllowed(file, pattern))
      return found.map((pattern) => `${file}: ${pattern}`)
    })
  expect(broken).toEqual([])
})

// Outside the project, so that no other test meets the planted file.
const planted = mkdtempSync(join(tmpdir(), 'holdfast-lint-'))
beforeAll(() => {
  mkdirSync(join(planted, 'src'))
  for (const file of ['.oxlintrc.json', 'tsconfig.json']) copyFileSync(file, join(planted, file))
  symlinkSync(resolve('node_modules'), join(planted, 'node_modules'))
})
afterAll(() => rmSync(planted, { recursive: true, force: true }))

test.each([
  ['Date.now()', 'export const at: number = Date.now()'],
  ['Math.random()', 'export const chance: number = Math.random()'],
  ['setTimeout', 'export const timer: unknown = setTimeout(() => {}, 1)'],
  ['process.env', 'export const home: unknown = process.env.HOME'],
  ['node:crypto', "import { randomUUID } from 'node:crypto'\nexport const id: string = randomUUID()"],
  ['a floating promise', 'const work = async (): Promise<void> => {}\nwork()'],
])('the lint rule refuses %s in the core', (_, code) => {
  writeFileSync(join(planted, 'src/planted.ts'), `${code}\n`)
  const lint = spawnSync(resolve('node_modules/.bin/oxlint'), ['--type-aware', '--deny-warnings', 'src'], {
    cwd: planted,
    encoding: 'utf8',
  })
  expect(lint.stdout).toMatch(
    /no-restricted-globals|no-restricted-properties|no-restricted-imports|no-floating-promises/,
  )
  expect(lint.status).toBe(1)
})

function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '')
}
