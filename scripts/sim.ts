// npm run sim -- [--scenario NAME] [--seeds N] [--from S | --fresh] [--seconds T] [--twice] [--seed X [--trace]] [--pinned] [--json]
//
// Runs schedules of the simulator, each the whole of its seed: a phase of faults, then one in which all is healed. Says what was broken, and
// how to see it again.
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { simulateSeed } from '../src/testing/simulation/index.ts'
import type { ScenarioName } from '../test/simulation/index.ts'
import { isScenarioName, scenarioOf, scenarios, worldOf } from '../test/simulation/index.ts'
import { pinnedSeeds } from '../test/simulation/pinned-seeds.ts'
import { bundleSimulator } from './simulation/bundle.ts'
import { runSeeds } from './simulation/run-seeds.ts'

const USAGE = `usage: npm run sim -- [--scenario NAME] [--seeds N] [--from S | --fresh] [--seconds T] [--twice] [--json]
       npm run sim -- [--scenario NAME] --seed X [--trace] [--json]
       npm run sim -- --pinned [--json]

  --scenario   ${Object.keys(scenarios).join(', ')} (default: each seed has its own)
  --seeds N    how many schedules (default 1000; with --seconds as many as there is time for)
  --from S     the first seed (default 0)
  --fresh      draws the first seed, and says which
  --seconds T  begins no schedule after T seconds
  --twice      runs each seed twice: both must be the same, step by step
  --seed X     this schedule alone
  --trace      tells what happens in it
  --pinned     the seeds that have found something before
  --json       one line of JSON at the end: { from, seeds, violations, schedulesPerMinute }`

/** More than anybody has time for. */
const ENDLESS = 999_999_999

const args = readArgs()
process.exitCode = args.pinned ? await pinned() : args.seed === null ? await many() : await one(args.seed)

async function one(seed: number): Promise<number> {
  const scenario = args.scenario ?? scenarioOf(seed)
  const { violations, log, steps, trace } = await simulateSeed(scenarios[scenario], seed, worldOf(scenario), args.trace)
  if (args.json) console.log(JSON.stringify({ seed, scenario, violations, steps, trace }))
  else {
    for (const line of log) console.log(line)
    for (const { kind, detail, atMs } of violations) console.log(`broken at ${atMs} ms: ${kind}: ${detail}`)
    console.log(`seed ${seed} of ${scenario}: ${steps} steps, ${violations.length} promises broken`)
  }
  return violations.length === 0 ? 0 : 1
}

async function pinned(): Promise<number> {
  const broken: object[] = []
  for (const { scenario, seed, why } of pinnedSeeds) {
    const { violations } = await simulateSeed(scenarios[scenario], seed, worldOf(scenario))
    if (violations.length > 0) broken.push({ seed, scenario, kinds: [...new Set(violations.map(({ kind }) => kind))] })
    if (!args.json) console.log(`${violations.length === 0 ? 'holds ' : 'BROKEN'} ${scenario} ${seed}: ${why}`)
  }
  if (args.json) console.log(JSON.stringify({ seeds: pinnedSeeds.length, violations: broken }))
  return broken.length === 0 ? 0 : 1
}

async function many(): Promise<number> {
  let said = performance.now()
  const { schedules, steps, broken, seconds } = await runSeeds(await bundleSimulator('simulator'), {
    from: args.from,
    count: args.seeds,
    untilMs: args.seconds * 1_000,
    twice: args.twice,
    scenario: args.scenario,
    onProgress(done) {
      if (performance.now() - said < 5_000) return
      said = performance.now()
      process.stderr.write(args.seeds < ENDLESS ? `${done} of ${args.seeds} schedules\n` : `${done} schedules\n`)
    },
  })
  const schedulesPerMinute = Math.round((schedules / seconds) * 60)
  if (args.json) {
    const violations = broken.map(({ seed, scenario, violations: all }) => ({
      seed,
      scenario,
      kinds: [...new Set(all.map(({ kind }) => kind))],
      replay: replayOf(scenario, seed),
    }))
    console.log(JSON.stringify({ from: args.from, seeds: schedules, violations, schedulesPerMinute }))
  } else {
    for (const { seed, scenario, violations } of broken.slice(0, 20)) {
      console.log(`seed ${seed} of ${scenario}: ${violations[0]!.kind}: ${violations[0]!.detail}`)
      console.log(`  ${replayOf(scenario, seed)}`)
    }
    console.log(
      `${schedules} schedules from seed ${args.from}, ${steps} steps, ${broken.length} with a broken promise; ${schedulesPerMinute} a minute`,
    )
  }
  return broken.length === 0 ? 0 : 1
}

function replayOf(scenario: ScenarioName, seed: number): string {
  return `npm run sim -- --scenario ${scenario} --seed ${seed} --trace`
}

function readArgs() {
  try {
    const { values } = parseArgs({
      options: {
        seeds: { type: 'string' },
        from: { type: 'string', default: '0' },
        fresh: { type: 'boolean', default: false },
        seconds: { type: 'string' },
        twice: { type: 'boolean', default: false },
        seed: { type: 'string' },
        scenario: { type: 'string' },
        pinned: { type: 'boolean', default: false },
        trace: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      console.log(USAGE)
      process.exit(0)
    }
    const number = (name: string, text: string): number => {
      if (!/^\d{1,9}$/.test(text)) throw new Error(`--${name} takes a whole number from 0`)
      return Number(text)
    }
    return {
      ...values,
      scenario: scenarioNamed(values.scenario),
      seeds: number('seeds', values.seeds ?? (values.seconds === undefined ? '1000' : String(ENDLESS))),
      from: values.fresh ? randomInt(1_000_000_000) : number('from', values.from),
      seconds: number('seconds', values.seconds ?? '86400'),
      seed: values.seed === undefined ? null : number('seed', values.seed),
    }
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`)
    process.exit(2)
  }
}

function scenarioNamed(name: string | undefined): ScenarioName | null {
  if (name === undefined) return null
  if (!isScenarioName(name)) throw new Error(`there is no scenario ${name}`)
  return name
}
