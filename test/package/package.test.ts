import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { kafkajsDriver } from 'holdfast/kafkajs'
import { silentLogger, systemRuntime } from 'holdfast'
import { useKafka } from '../helpers/services.ts'

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  exports: Record<string, string | { types: string; default: string }>
  scripts: Record<string, string>
  devDependencies: Record<string, string>
}
const subpaths = Object.keys(manifest.exports).filter((path) => path !== './package.json')

// What a user has: an empty project, the packed tarball, TypeScript and Node's types, and nothing else.
const project = mkdtempSync(join(tmpdir(), 'holdfast-package-'))
let tarball: string
let packed: string[]

beforeAll(() => {
  const answer = execFileSync('npm', ['pack', '--json', '--silent', '--pack-destination', project], {
    encoding: 'utf8',
  })
  const [result] = Object.values(JSON.parse(answer) as Record<string, { filename: string; files: { path: string }[] }>)
  tarball = join(project, result!.filename)
  packed = result!.files.map((file) => file.path)
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }))
  const tools = ['typescript', '@types/node'].map((name) => `${name}@${manifest.devDependencies[name]!}`)
  execFileSync('npm', ['install', '--silent', '--ignore-scripts', '--prefer-offline', tarball, ...tools], {
    cwd: project,
  })
})
afterAll(() => rmSync(project, { recursive: true, force: true }))

test('the tarball holds what is built and what explains it, and nothing else', () => {
  const strangers = packed.filter(
    (path) => !/^(dist\/.*\.(js|d\.ts)|package\.json|README\.md|LICENSE|CHANGELOG\.md)$/.test(path),
  )
  expect(strangers).toEqual([])
  expect(packed).toContain('LICENSE')
})

test('installing it runs no script', () => {
  const hooks = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish']
  expect(Object.keys(manifest.scripts).filter((name) => hooks.includes(name))).toEqual([])
})

test('publint finds nothing, in its strict mode', () => {
  const { stdout, status } = spawnSync(resolve('node_modules/.bin/publint'), ['run', '--strict', tarball], {
    encoding: 'utf8',
  })
  expect(status, stdout).toBe(0)
})

test('the types resolve for every way an ESM project can import them', () => {
  const { stdout, status } = spawnSync(resolve('node_modules/.bin/attw'), [tarball, '--profile', 'esm-only'], {
    encoding: 'utf8',
  })
  expect(status, stdout).toBe(0)
})

test('every subpath can be imported', () => {
  const names = subpaths.map((path) => `holdfast${path.slice(1)}`)
  const code = `for (const name of ${JSON.stringify(names)}) {
    const module = await import(name)
    if (Object.keys(module).length === 0) throw new Error(name + ' exports nothing')
  }`
  execFileSync(process.execPath, ['--input-type=module', '-e', code], { cwd: project })
})

test('it type-checks in an empty project, libraries included, without any optional peer', () => {
  const imports = subpaths.map((path, i) => `import * as m${i} from 'holdfast${path.slice(1)}'\nvoid m${i}`)
  writeFileSync(join(project, 'imports.ts'), imports.join('\n'))
  writeConfiguration(['imports.ts'])
  const { stdout, status } = compile()
  expect(stdout).toBe('')
  expect(status).toBe(0)
})

test('npx holdfast works in it: version, plan, and the SQL of migrate, which needs no pg', () => {
  const version = npx('--version')
  expect([version.status, version.stderr]).toEqual([0, ''])
  expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  writeFileSync(join(project, 'holdfast.config.mjs'), CONFIGURATION)
  const plan = npx('plan')
  expect([plan.status, plan.stderr]).toEqual([0, ''])
  expect(plan.stdout).toMatch(/^ {2}orders {2}at least once {2}key .*\n[^]*\n2 bounds hold\n$/m)
  const sql = npx('postgres', 'migrate', '--print', '--table', 'we"ird')
  expect([sql.status, sql.stderr]).toEqual([0, ''])
  expect(sql.stdout).toMatch(/^create table if not exists "public"\."we""ird" \(/)
})

test('where pg is not installed, migrate says what to install, and makes nothing up', () => {
  const { status, stdout, stderr } = npx('postgres', 'migrate', '--database-url', 'postgres://u:a-secret@127.0.0.1:1/d')
  expect([status, stdout]).toEqual([2, ''])
  expect(stderr).toContain('npm install pg')
  expect(stderr).not.toContain('a-secret')
})

test('a configuration in TypeScript is read where Node.js strips types, and elsewhere said to need it', () => {
  writeFileSync(join(project, 'plan.ts'), `${CONFIGURATION.replace('(name)', '(name: string)')}`)
  const { status, stderr } = npx('plan', '--config', 'plan.ts')
  const stripsTypes = Boolean(Reflect.get(process.features, 'typescript'))
  expect([status, stderr.includes('Node.js 22.18 or later strips types')]).toEqual(stripsTypes ? [0, false] : [2, true])
})

test('the first producer and consumer of the README, copied into it, send and receive on a real broker', async () => {
  const { brokers } = await useKafka()
  const admin = kafkajsDriver({ clientId: 'package', brokers }).createAdmin({
    runtime: systemRuntime,
    logger: silentLogger,
  })
  await admin.connect()
  await admin.createTopics([{ topic: 'order-events' }, { topic: 'order-events.dlq' }])
  await admin.close()

  execFileSync('npm', ['install', '--silent', '--ignore-scripts', '--prefer-offline', 'zod@^4'], { cwd: project })
  const [, code] = /```ts run\n([\s\S]*?)```/.exec(readFileSync('README.md', 'utf8'))!
  writeFileSync(join(project, 'first.ts'), code!.replaceAll('localhost:9092', brokers[0]!))
  writeConfiguration(['first.ts'])
  expect(compile().stdout).toBe('')
  const run = spawnSync(process.execPath, ['out/first.js'], { cwd: project, encoding: 'utf8', timeout: 60_000 })
  expect(run.stderr).toBe('')
  expect(run.stdout).toContain('o-1')
  expect(run.status).toBe(0)
})

/** Consumers, with nothing but the package itself. */
const CONFIGURATION = `import { createConsumer, defineConfig, defineTopic } from 'holdfast'
import { kafkajsDriver } from 'holdfast/kafkajs'
const topic = (name) =>
  defineTopic({ name, schema: { '~standard': { version: 1, vendor: 'user', validate: (value) => ({ value }) } }, key: () => 'k' })
const driver = kafkajsDriver({ clientId: 'user', brokers: ['127.0.0.1:1'] })
export default defineConfig({ consumers: [createConsumer({ driver, groupId: 'g' }).on(topic('orders'), () => {})] })
`

function npx(...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync('npx', ['--no-install', 'holdfast', ...args], { cwd: project, encoding: 'utf8' })
}

function writeConfiguration(files: readonly string[]): void {
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2022',
    lib: ['es2023', 'esnext.disposable'],
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    outDir: 'out',
  }
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
}

function compile(): { stdout: string; status: number | null } {
  return spawnSync(join(project, 'node_modules/.bin/tsc'), ['-p', '.'], { cwd: project, encoding: 'utf8' })
}
