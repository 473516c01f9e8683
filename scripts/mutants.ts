// npm run mutants -- [NAME …] [--changed [REV]] [--seeds N] [--json]
//
// Takes out, one after the other, the code that keeps one promise, and says which seed of the simulator, or which test, finds it and how
// fast. One that lives is a test that is missing.
import { parseArgs } from 'node:util'
import type { Mutant } from '../test/simulation/mutants/index.ts'
import { mutants } from '../test/simulation/mutants/index.ts'
import { bundleSimulator } from './simulation/bundle.ts'
import { changedFiles } from './simulation/changed-files.ts'
import { runMutantTest } from './simulation/run-mutant-test.ts'
import { runSeeds } from './simulation/run-seeds.ts'

const USAGE = `usage: npm run mutants -- [NAME …] [--seeds N] [--json]
       npm run mutants -- --changed [REV] [--seeds N] [--json]

  --changed   those of files that differ from REV (default: where this branch left main; on main, the commit before)
  --seeds N   a mutant that N seeds do not find lives (default 5000)
  --json      one line of JSON at the end: { mutants, killed, alive: [names] }

${mutants.map(({ name, promise }) => `  ${name.padEnd(34)} ${promise}`).join('\n')}`

const { chosen, seeds, json } = readArgs()
if (chosen.length === 0) process.stderr.write('no mutant is of a file that has changed\n')
const alive: string[] = []
for (const mutant of chosen) {
  const began = performance.now()
  const found = await find(mutant)
  if (found === null) alive.push(mutant.name)
  const seconds = ((performance.now() - began) / 1_000).toFixed(1)
  process.stderr.write(`${mutant.name.padEnd(34)} ${found ?? 'LIVES'}, ${seconds} s\n`)
}
const summary = { mutants: chosen.length, killed: chosen.length - alive.length, alive }
console.log(
  json
    ? JSON.stringify(summary)
    : `${summary.killed} of ${summary.mutants} found; alive: ${alive.join(', ') || 'none'}`,
)
process.exitCode = alive.length === 0 ? 0 : 1

/** What finds it; null when nothing does. */
async function find(mutant: Mutant): Promise<string | null> {
  const { foundBy } = mutant
  if (foundBy.kind === 'test') {
    const failed = await runMutantTest(mutant, foundBy)
    return failed === null ? null : `${foundBy.project} test: ${failed}`
  }
  const simulator = await bundleSimulator(`mutant-${mutant.name}`, [mutant])
  const { scenario } = foundBy
  const { broken } = await runSeeds(simulator, {
    scenario,
    from: 0,
    count: seeds,
    untilMs: 300_000,
    twice: false,
    stopAtFirst: true,
  })
  const [first] = broken
  return first === undefined ? null : `${scenario}, seed ${first.seed}: ${first.violations[0]!.kind}`
}

function readArgs(): { readonly chosen: readonly Mutant[]; readonly seeds: number; readonly json: boolean } {
  try {
    const { values, positionals } = parseArgs({
      options: {
        changed: { type: 'boolean', default: false },
        seeds: { type: 'string', default: '5000' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
      allowPositionals: true,
    })
    if (values.help) {
      console.log(USAGE)
      process.exit(0)
    }
    if (!/^\d{1,9}$/.test(values.seeds)) throw new Error('--seeds takes a whole number from 0')
    const rest = { seeds: Number(values.seeds), json: values.json }
    if (values.changed) {
      const changed = changedFiles(positionals[0])
      return { ...rest, chosen: mutants.filter(({ file }) => changed.has(file)) }
    }
    const unknown = positionals.filter((name) => !mutants.some((mutant) => mutant.name === name))
    if (unknown.length > 0) throw new Error(`there is no mutant ${unknown.join(', ')}`)
    return { ...rest, chosen: mutants.filter(({ name }) => positionals.length === 0 || positionals.includes(name)) }
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`)
    process.exit(2)
  }
}
