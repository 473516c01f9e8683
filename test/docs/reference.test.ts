import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { ERROR_CODES } from 'holdfast'
import { filesUnder } from '../helpers/source-files.ts'
import { pages } from './fences.ts'

const guides = ['ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md']

test('the error reference has a row for every code, and no row for a code that is gone', () => {
  const rows = [...readFileSync('docs/reference/errors.md', 'utf8').matchAll(/^\| `(HOLDFAST_\w+)`\s*\|/gm)].map(
    ([, code]) => code,
  )
  expect(rows.toSorted()).toEqual(Object.keys(ERROR_CODES).toSorted())
})

test('every code in the list is thrown somewhere, so that the list tells the truth', () => {
  const source = filesUnder('src')
    .filter((file) => !file.endsWith('error-codes.ts'))
    .map((file) => readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\//g, ''))
    .join('\n')
  const unused = Object.keys(ERROR_CODES).filter((code) => !source.includes(`'${code}'`))
  expect(unused).toEqual([])
})

test('the page of the plan has a row for every bound, and no row for one that is gone', () => {
  const source = readFileSync('src/consumer/plan-bounds.ts', 'utf8')
  const bounds = [...source.matchAll(/^ +name: '([^']+)',$/gm)].map(([, name]) => name!)
  const [, section] = /\n## The bounds\n([^]*?)\n## /.exec(readFileSync('docs/plan.md', 'utf8'))!
  const rows = [...section!.matchAll(/^\| (\w[^|]+?) +\|/gm)]
    .map(([, name]) => name!)
    .filter((name) => name !== 'bound')
  expect(bounds.length).toBeGreaterThan(5)
  expect(rows.toSorted()).toEqual(bounds.toSorted())
})

test('every file:function that ARCHITECTURE.md names exists', () => {
  const named = [...readFileSync('ARCHITECTURE.md', 'utf8').matchAll(/`(src\/[\w/.-]+\.ts):(\w+)`/g)]
  expect(named.length).toBeGreaterThanOrEqual(11)
  const missing = named.filter(([, file, name]) => {
    const code = filesUnder('src').includes(file!) ? readFileSync(file!, 'utf8') : ''
    return !new RegExp(`\\b(function|const|class|interface|type)\\s+${name}\\b|^\\s+(async )?${name}\\(`, 'm').test(
      code,
    )
  })
  expect(missing.map(([whole]) => whole)).toEqual([])
})

test('every file that ARCHITECTURE.md names exists', () => {
  const named = [
    ...readFileSync('ARCHITECTURE.md', 'utf8').matchAll(/`((?:src|test|scripts|examples|bench)\/[\w/.-]+\.ts)\b/g),
  ]
  const all = new Set(['src', 'test', 'scripts', 'examples', 'bench'].flatMap(filesUnder))
  expect(named.map(([, file]) => file!).filter((file) => !all.has(file))).toEqual([])
})

test('every folder of the source has a page', () => {
  const named: Record<string, string> = {
    driver: 'drivers',
    topic: 'topics',
    errors: 'reference/errors',
    logger: 'telemetry',
    shutdown: 'consumer',
    configuration: 'cli',
    database: 'idempotency',
    events: 'consumer',
    options: 'producer',
  }
  const folders = readdirSync('src', { withFileTypes: true }).filter((entry) => entry.isDirectory())
  const missing = folders.map(({ name }) => `docs/${named[name] ?? name}.md`).filter((page) => !pages().includes(page))
  expect(missing).toEqual([])
})

test('every link between pages leads to a page', () => {
  const broken = [...pages(), ...guides].flatMap((page) =>
    [...readFileSync(page, 'utf8').matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
      .map(([, target]) => join(dirname(page), target!).replaceAll('\\', '/'))
      .filter((target) => !readable(target))
      .map((target) => `${page}: ${target}`),
  )
  expect(broken).toEqual([])
})

function readable(path: string): boolean {
  try {
    return readdirSync(dirname(path)).includes(path.split('/').at(-1)!)
  } catch {
    return false
  }
}
