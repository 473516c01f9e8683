import { expect, test } from 'vitest'
import { defineConfig } from 'holdfast'
import { folderWith, holdfast, moduleWith } from './world.ts'

const SOUND = moduleWith(`.on(topic('orders'), () => {})`)
const MIGRATE = ['postgres', 'migrate']

test('a configuration is found by its name in each of its forms, or named by --config', async () => {
  const table = (name: string): string => `{ postgres: { table: '${name}' } }`
  for (const [name, text] of [
    ['holdfast.config.mjs', `export default ${table('one')}`],
    ['holdfast.config.js', `export default ${table('one')}`],
    ['holdfast.config.ts', `export default ${table('one')} satisfies object`],
    ['holdfast.config.json', '{ "postgres": { "table": "one" } }'],
  ] as const) {
    const found = await holdfast([...MIGRATE, '--print'], { folder: folderWith({ [name]: text }) })
    expect([name, found.code, found.errors]).toEqual([name, 0, ''])
    expect(found.output).toContain('"public"."one"')
  }
  const folder = folderWith({ 'holdfast.config.mjs': 'throw 1', 'other.mjs': `export default ${table('other')}` })
  expect((await holdfast([...MIGRATE, '--print', '--config', 'other.mjs'], { folder })).output).toContain('"other"')
})

test('two configurations in a folder are refused: nobody could tell which one stands', async () => {
  const folder = folderWith({ 'holdfast.config.mjs': SOUND, 'holdfast.config.json': '{}' })
  const { code, errors } = await holdfast(['plan'], { folder })
  expect(code).toBe(2)
  expect(errors).toContain('--config: say which: holdfast.config.mjs, holdfast.config.json are all there')
})

test('flags come before the configuration, which comes before what is taken without one', async () => {
  const config = { 'holdfast.config.json': '{ "postgres": { "schema": "s1", "table": "t1" } }' }
  const print = [...MIGRATE, '--print']
  expect((await holdfast(print)).output).toContain('"public"."holdfast_dedupe"')
  expect((await holdfast(print, { folder: folderWith(config) })).output).toContain('"s1"."t1"')
  expect((await holdfast([...print, '--table', 't2'], { folder: folderWith(config) })).output).toContain('"s1"."t2"')
})

test('everything that is wrong with a configuration is listed at once, with its path and without its values', async () => {
  const secret = 'a-secret'
  const folder = folderWith({
    'holdfast.config.json': JSON.stringify({
      consumers: secret,
      postgres: { url: 5, tabel: secret, schema: '', outbox: { keepSent: 1, tabel: secret } },
      kafka: secret,
    }),
  })
  const { code, output, errors } = await holdfast(['plan'], { folder })
  expect([code, output]).toEqual([2, ''])
  for (const path of ['consumers', 'postgres.url', 'postgres.schema', 'postgres.outbox.keepSent'])
    expect(errors).toContain(`- ${path}: `)
  for (const path of ['kafka', 'postgres.tabel', 'postgres.outbox.tabel'])
    expect(errors).toContain(`- ${path}: is not an option`)
  expect(errors).not.toContain(secret)
})

test.each([
  ['nothing exported as default', 'export const consumers = []', 'default: is missing'],
  ['a default that is no object', 'export default 5', 'default: must be an object'],
  ['no consumers', 'export default {}', 'consumers: must be an array of one consumer or more'],
  ['an empty list of consumers', 'export default { consumers: [] }', 'consumers: must be an array of one consumer'],
  ['a function that makes none', 'export default { consumers: () => 5 }', 'consumers: must be an array'],
  ['a module that throws', 'throw new TypeError("no such thing")', 'TypeError: no such thing\n    at '],
  ['a module that throws no error', 'throw "no such thing"', 'threw no such thing'],
  ['a module that imports what is not there', 'import "./nowhere.mjs"', 'nowhere.mjs'],
  [
    'a module whose own options do not fit',
    'import { createConsumer } from "holdfast"; createConsumer({})',
    'groupId: ',
  ],
])('%s is told clearly, with exit code 2', async (_, text, expected) => {
  const { code, output, errors } = await holdfast(['plan'], { folder: folderWith({ 'holdfast.config.mjs': text }) })
  expect([code, output]).toEqual([2, ''])
  expect(errors).toContain('holdfast.config.mjs')
  expect(errors).toContain(expected)
})

test('what is not there, is no JSON or has another form is told, and a password in it is not', async () => {
  const folder = folderWith({
    'a.json': '{ "postgres": { "url": "postgres://u:a-secret@h/d" ',
    'a.yaml': 'postgres: {}',
  })
  const said = async (file: string): Promise<string> => {
    const { code, errors } = await holdfast(['plan', '--config', file], { folder })
    expect(code).toBe(2)
    return errors
  }
  expect(await said('none.mjs')).toContain('--config: none.mjs is not a file')
  expect(await said('a.yaml')).toContain('a.yaml must end with .mjs, .js, .ts, .mts, .json')
  expect(await said('a.json')).toContain('a.json is no JSON')
  expect(await said('a.json')).not.toContain('a-secret')
  expect((await holdfast(['plan'])).errors).toContain('there is no configuration')
})

test('defineConfig gives back what it is given: the command tells what is wrong with it', () => {
  const config = { consumers: [], postgres: { table: 't' } }
  expect(defineConfig(config)).toBe(config)
})
