import { readFileSync, readdirSync } from 'node:fs'
import { posix } from 'node:path'
import { expect, test } from 'vitest'
import { filesUnder } from '../helpers/source-files.ts'

// Folder -> folders it may import. One that is not listed fails, so the table stays whole: it is the architecture.
const MAY_IMPORT: Record<string, readonly string[]> = {
  record: [],
  logger: [],
  clock: [],
  errors: ['record'],
  events: ['errors', 'logger'],
  options: ['errors'],
  retry: ['errors', 'clock'],
  topic: ['record', 'errors', 'clock'],
  telemetry: ['record', 'errors'],
  driver: ['record', 'errors', 'clock', 'logger'],
  database: ['errors', 'clock'],
  idempotency: ['database', 'options', 'record', 'errors', 'clock'],
  dlq: ['topic', 'driver', 'retry', 'record', 'errors', 'clock', 'logger', 'telemetry'],
  outbox: [
    'database',
    'events',
    'options',
    'topic',
    'driver',
    'retry',
    'record',
    'errors',
    'clock',
    'logger',
    'telemetry',
  ],
  producer: ['options', 'topic', 'driver', 'retry', 'record', 'errors', 'clock', 'logger', 'telemetry'],
  consumer: [
    'events',
    'dlq',
    'idempotency',
    'topic',
    'driver',
    'retry',
    'record',
    'errors',
    'clock',
    'logger',
    'telemetry',
  ],
  audit: ['database', 'driver', 'idempotency', 'record', 'errors', 'clock', 'logger'],
  configuration: ['consumer', 'driver', 'outbox'],
  cli: [], // it uses the package by name, as a user would
  shutdown: ['errors', 'clock', 'logger'],
  testing: ['consumer', 'dlq', 'driver', 'idempotency', 'outbox', 'topic', 'record', 'errors', 'clock', 'logger'],
  index: [
    'audit',
    'configuration',
    'database',
    'dlq',
    'idempotency',
    'outbox',
    'producer',
    'consumer',
    'shutdown',
    'topic',
    'driver',
    'retry',
    'record',
    'errors',
    'clock',
    'logger',
    'telemetry',
  ],
}

// What each folder may take from npm; every other folder takes nothing.
const MAY_USE: Record<string, readonly string[]> = {
  'src/driver/kafkajs/': ['kafkajs'],
  'src/retry/': ['p-retry'],
  'src/idempotency/': ['lru-cache'],
  'src/telemetry/': ['@opentelemetry/api'],
  'src/cli/': ['commander', 'pg', 'holdfast', 'holdfast/kafkajs', 'holdfast/postgres'],
}
const OWN_CONFIGURATION = 'zod'

// Folders with a surface of their own, since their names are subpaths of the package.
const SUBPATH_SURFACES = [
  'src/audit/postgres/index.ts',
  'src/telemetry/otel/index.ts',
  'src/idempotency/postgres/index.ts',
  'src/outbox/postgres/index.ts',
]

const folderOf = (path: string): string => (path.split('/').length > 2 ? path.split('/')[1]! : 'index')
const importsOf = (file: string): string[] =>
  [
    ...readFileSync(file, 'utf8').matchAll(
      /^\s*(?:import|export)\s[^'"]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm,
    ),
  ].map(([, from, bare, later]) => (from ?? bare ?? later)!)

test('a folder imports only what the table lets it, and only through the other folder’s index', () => {
  const broken: string[] = []
  for (const file of filesUnder('src')) {
    for (const target of importsOf(file).filter((name) => name.startsWith('.'))) {
      const resolved = posix.join(posix.dirname(file), target)
      const [from, to] = [folderOf(file), folderOf(resolved)]
      if (from === to) continue
      if (!MAY_IMPORT[from]?.includes(to)) broken.push(`${file} imports ${to}`)
      const surface = resolved === `src/${to}/index.ts` || SUBPATH_SURFACES.includes(resolved)
      if (!surface) broken.push(`${file} reaches past ${to}/index.ts`)
    }
  }
  expect(broken).toEqual([])
})

test('no file is part of an import cycle, so that every part can be read by itself', () => {
  const graph = new Map(
    filesUnder('src').map((file) => [
      file,
      importsOf(file)
        .filter((name) => name.startsWith('.'))
        .map((name) => posix.join(posix.dirname(file), name)),
    ]),
  )
  const state = new Map<string, 'open' | 'done'>()
  const cycles: string[] = []
  const visit = (file: string, trail: readonly string[]): void => {
    if (state.get(file) === 'done') return
    if (state.get(file) === 'open') {
      const cycle = trail.slice(trail.indexOf(file))
      // Types alone may point at each other: they are gone at run time. `verbatimModuleSyntax` makes them say so.
      if (cycle.every((each, i) => imports(each, cycle[(i + 1) % cycle.length]!))) cycles.push(cycle.join(' -> '))
      return
    }
    state.set(file, 'open')
    for (const next of graph.get(file) ?? []) visit(next, [...trail, file])
    state.set(file, 'done')
  }
  const imports = (from: string, to: string): boolean =>
    [...readFileSync(from, 'utf8').matchAll(/^(?:import|export)\s(?!type)[^'"]*?from\s+'([^']+)'/gm)].some(
      ([, target]) => posix.join(posix.dirname(from), target!) === to,
    )
  for (const file of graph.keys()) visit(file, [])
  expect(cycles).toEqual([])
})

test('a package from npm is used in its own folder alone, so that it can be replaced there', () => {
  const broken: string[] = []
  for (const file of filesUnder('src')) {
    for (const name of importsOf(file).filter((each) => !each.startsWith('.') && !each.startsWith('node:'))) {
      const allowed = Object.entries(MAY_USE).some(([folder, names]) => file.startsWith(folder) && names.includes(name))
      if (!allowed && name !== OWN_CONFIGURATION) broken.push(`${file} uses ${name}`)
    }
  }
  expect(broken).toEqual([])
})

test('every folder has an index that is its whole surface', () => {
  const folders = readdirSync('src', { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => `src/${entry.name}`)
  expect(folders.length).toBeGreaterThan(10)
  expect(folders.filter((folder) => !filesUnder(folder).includes(`${folder}/index.ts`))).toEqual([])
})

test('no file is called util or helpers: a concept has a name', () => {
  expect(filesUnder('src').filter((file) => /(util|helper|common|misc)s?\.ts$/.test(file))).toEqual([])
})
