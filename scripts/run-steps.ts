// Runs the project's checks one after another and says at the end how many tests and checks passed and failed.
//
//   npm run check               static checks, types, unit, docs, package
//   npm test                    all of these, and the tests on a real broker
//   npm test -- simulation mutants chaos demo bench
//                               the same, then schedules of the simulator, mutants of what the last change touches, the most telling faults on a cluster
//                               of three nodes, the demo, and one short round of the benches: what the gate runs
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { relative } from 'node:path'

interface Step {
  readonly name: string
  readonly command: readonly string[]
  /** A vitest project counts its tests; everything else counts as one. */
  readonly vitest?: boolean
}

const vitest = (project: string): Step => ({
  name: project,
  command: ['vitest', 'run', '--project', project],
  vitest: true,
})

const check: readonly Step[] = [
  { name: 'format', command: ['prettier', '--check', '.', '--log-level', 'warn'] },
  {
    name: 'lint',
    command: ['oxlint', '--type-aware', '--deny-warnings', 'src', 'test', 'examples', 'bench', 'scripts'],
  },
  { name: 'types of the library', command: ['tsc', '-p', 'tsconfig.json'] },
  { name: 'types of the rest', command: ['tsc', '-p', 'tsconfig.check.json'] },
  { name: 'build', command: ['node', 'scripts/build.mjs'] },
  vitest('unit'),
  vitest('docs'),
  vitest('package'),
]
const test: readonly Step[] = [...check, vitest('broker')]
const node = ['node', '--single-threaded-gc', '--conditions=holdfast-source', '--import', 'tsx'] as const
const sim = [...node, 'scripts/sim.ts']
const groups: Record<string, readonly Step[]> = {
  check,
  test,
  simulation: [
    { name: 'simulation, fresh seeds', command: [...sim, '--fresh', '--seconds', '60'] },
    { name: 'simulation, pinned seeds', command: [...sim, '--pinned'] },
    { name: 'simulation, seeds twice', command: [...sim, '--twice', '--seeds', '500'] },
  ],
  mutants: [{ name: 'mutants', command: [...node, 'scripts/mutants.ts', '--changed'] }],
  chaos: [{ name: 'chaos', command: ['tsx', '--conditions=holdfast-source', 'scripts/chaos.ts', '--smoke'] }],
  demo: [{ name: 'demo', command: ['tsx', 'scripts/demo.ts', '--json'] }],
  bench: [{ name: 'bench', command: ['tsx', 'bench/run.ts', '--short'] }],
}
const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !(name in groups))
if (wanted.length === 0 || unknown.length > 0) {
  console.error(`run-steps takes one or more of: ${Object.keys(groups).join(', ')}`)
  process.exit(2)
}
const steps = wanted.flatMap((name) => groups[name]!)

const reports = '.tmp/reports'
rmSync(reports, { recursive: true, force: true })
mkdirSync(reports, { recursive: true })

const LEFTOVERS_MS = 1_000
const TAIL_LINES = 20
let passed = 0
let failed = 0
const lines: string[] = []
const failures: string[] = []
for (const step of steps) {
  const started = Date.now()
  console.log(`\n== ${step.name}`)
  const { counts, reasons } = step.vitest ? await runTests(step) : await runCheck(step)
  passed += counts.passed
  failed += counts.failed
  failures.push(...reasons)
  const verdict = counts.failed === 0 ? 'ok    ' : 'FAILED'
  lines.push(`${verdict} ${step.name} (${counts.passed} passed, ${counts.failed} failed, ${seconds(started)})`)
}

const told = failures.length === 0 ? '' : `\n\n${failures.join('\n')}` // once more: what failed may stand thousands of lines above
console.log(`\n${lines.join('\n')}${told}\n\n${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)

interface Result {
  readonly counts: { readonly passed: number; readonly failed: number }
  /** What failed, a few lines each. */
  readonly reasons: readonly string[]
}

async function runTests({ name, command }: Step): Promise<Result> {
  const report = `${reports}/${name}.json`
  const { code } = await run(
    [...command, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
    false,
  )
  return resultOf(report, name, code)
}

async function runCheck({ name, command }: Step): Promise<Result> {
  const { code, tail } = await run(command, true)
  if (code === 0) return { counts: { passed: 1, failed: 0 }, reasons: [] }
  return { counts: { passed: 0, failed: 1 }, reasons: [`${name}:`, ...tail.map((line) => `  ${line}`)] }
}

/** @param keepsTail - are its last lines wanted? Else it has the terminal for itself. */
function run(command: readonly string[], keepsTail: boolean): Promise<{ code: number; tail: readonly string[] }> {
  return new Promise((resolve) => {
    const [program, ...args] = command
    const out = keepsTail ? 'pipe' : 'inherit'
    const child = spawn(program === 'node' ? process.execPath : `node_modules/.bin/${program}`, args, {
      stdio: ['inherit', out, out],
    })
    let text = ''
    for (const [from, to] of [[child.stdout, process.stdout] as const, [child.stderr, process.stderr] as const]) {
      from?.on('data', (chunk: Buffer) => {
        to.write(chunk)
        text = (text + chunk.toString()).slice(-8_192)
      })
    }
    child.on('error', (error) => {
      console.error(error.message)
      resolve({ code: 1, tail: [error.message] })
    })
    child.on('exit', (code) => {
      const end = (): void => resolve({ code: code ?? 1, tail: text.trimEnd().split('\n').slice(-TAIL_LINES) })
      child.once('close', end) // all of its output has come
      setTimeout(end, LEFTOVERS_MS) // a process that it has left behind may hold its output open for ever
    })
  })
}

interface Report {
  readonly numPassedTests: number
  readonly testResults: readonly {
    readonly name: string
    readonly message: string
    readonly assertionResults: readonly {
      readonly status: string
      readonly fullName: string
      readonly failureMessages: readonly string[]
    }[]
  }[]
}

/** A run that broke before or beside its tests counts as one failure more, and a skipped test as a failure: nothing passes unseen. */
function resultOf(report: string, name: string, code: number): Result {
  let json: Report
  try {
    json = JSON.parse(readFileSync(report, 'utf8')) as Report
  } catch {
    return { counts: { passed: 0, failed: 1 }, reasons: [`${name}: ended with code ${code}, and without a report`] }
  }
  const reasons = json.testResults.flatMap(({ name: file, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status !== 'passed')
      .map((test) => reasonOf(relative(process.cwd(), file), test)),
  )
  if (reasons.length === 0 && code !== 0) {
    const beside = json.testResults.flatMap(({ message }) => (message === '' ? [] : [shortened(message)]))
    reasons.push([`${name}: broke beside its tests, with code ${code}`, ...beside].join('\n'))
  }
  return { counts: { passed: json.numPassedTests, failed: reasons.length }, reasons }
}

function reasonOf(file: string, test: Report['testResults'][number]['assertionResults'][number]): string {
  const { status, fullName, failureMessages } = test
  const message = failureMessages
    .join('\n')
    .replace('Error: STACK_TRACE_ERROR', 'Error: the time for this test is over') // as vitest reports it
  return `${status}: ${file} > ${fullName}\n${shortened(message)}`
}

/** The message, and where it was thrown. */
function shortened(message: string): string {
  return message
    .split('\n')
    .slice(0, 8)
    .map((line) => `  ${line.slice(0, 300)}`)
    .join('\n')
}

function seconds(since: number): string {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`
}
