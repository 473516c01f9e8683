// npm run mutants -- [NAME …] [--seeds N] [--json]
//
// Takes out, one after the other, the code that keeps one promise, and says which seed of the simulator finds it and how fast. One that
// lives is a test that is missing.
import { parseArgs } from 'node:util'
import { mutants } from '../test/simulation/mutants.ts'
import { bundleSimulator } from './simulation/bundle.ts'
import { runSeeds } from './simulation/run-seeds.ts'

const USAGE = `usage: npm run mutants -- [NAME …] [--seeds N] [--json]

  --seeds N   a mutant that N seeds do not find lives (default 5000)
  --json      one line of JSON at the end: { mutants, killed, alive: [names] }

${mutants.map(({ name, promise }) => `  ${name.padEnd(34)} ${promise}`).join('\n')}`

const { values, positionals } = parseArgs({
  options: {
    seeds: { type: 'string', default: '5000' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
  allowPositionals: true,
})
const unknown = positionals.filter((name) => !mutants.some((mutant) => mutant.name === name))
if (values.help || unknown.length > 0 || !/^\d{1,9}$/.test(values.seeds)) {
  if (unknown.length > 0) console.error(`there is no mutant ${unknown.join(', ')}\n`)
  console[values.help ? 'log' : 'error'](USAGE)
  process.exit(values.help ? 0 : 2)
}

const chosen = mutants.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
const alive: string[] = []
for (const mutant of chosen) {
  const simulator = await bundleSimulator(`mutant-${mutant.name}`, [mutant])
  const run = {
    scenario: null,
    from: 0,
    count: Number(values.seeds),
    untilMs: 300_000,
    twice: false,
    stopAtFirst: true,
  }
  const { broken, seconds } = await runSeeds(simulator, run)
  const [first] = broken
  if (first === undefined) alive.push(mutant.name)
  const found = first === undefined ? 'LIVES' : `seed ${first.seed}: ${first.violations[0]!.kind}`
  process.stderr.write(`${mutant.name.padEnd(34)} ${found}, ${seconds.toFixed(1)} s\n`)
}
const summary = { mutants: chosen.length, killed: chosen.length - alive.length, alive }
console.log(
  values.json
    ? JSON.stringify(summary)
    : `${summary.killed} of ${summary.mutants} found; alive: ${alive.join(', ') || 'none'}`,
)
process.exitCode = alive.length === 0 ? 0 : 1
