// Runs the project's checks one after another and says at the end how many tests and checks passed and failed.
//
//   npm run check               static checks, types, unit, docs, package
//   npm test                    all of these, and the tests on a real broker
//   npm test -- simulation mutants chaos demo bench
//                               the same, then schedules of the simulator, mutants of what the last change touches, the most telling faults on a cluster
//                               of three nodes, the demo, and one short round of each bench: what the gate runs
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'

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

let passed = 0
let failed = 0
const lines: string[] = []
for (const step of steps) {
  const started = Date.now()
  console.log(`\n== ${step.name}`)
  const report = `${reports}/${step.name}.json`
  const command = step.vitest
    ? [...step.command, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
    : [...step.command]
  const code = await run(command)
  const counts = step.vitest ? countTests(report, code) : { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1 }
  passed += counts.passed
  failed += counts.failed
  const verdict = code === 0 && counts.failed === 0 ? 'ok    ' : 'FAILED'
  lines.push(`${verdict} ${step.name} (${counts.passed} passed, ${counts.failed} failed, ${seconds(started)})`)
}

console.log(`\n${lines.join('\n')}\n\n${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)

function run(command: readonly string[]): Promise<number> {
  return new Promise((resolve) => {
    const [program, ...args] = command
    const child = spawn(program === 'node' ? process.execPath : `node_modules/.bin/${program}`, args, {
      stdio: 'inherit',
    })
    child.on('error', (error) => {
      console.error(error.message)
      resolve(1)
    })
    child.on('exit', (code) => resolve(code ?? 1))
  })
}

/** A run that broke before or beside its tests counts as one failure more, and a skipped test as a failure: nothing passes unseen. */
function countTests(report: string, code: number): { passed: number; failed: number } {
  try {
    const json = JSON.parse(readFileSync(report, 'utf8')) as Record<string, number>
    const failedTests = (json['numFailedTests'] ?? 0) + (json['numPendingTests'] ?? 0) + (json['numTodoTests'] ?? 0)
    return { passed: json['numPassedTests'] ?? 0, failed: failedTests === 0 && code !== 0 ? 1 : failedTests }
  } catch {
    return { passed: 0, failed: 1 }
  }
}

function seconds(since: number): string {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`
}
