import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bundleProgram } from '../../../scripts/bundle-program.ts'
import { KAFKA_VERSION } from '../../../scripts/services/index.ts'
import { asJson } from './as-json.ts'
import type { ChaosRequest } from './chaos-arguments.ts'
import type { ChaosCluster } from './chaos-cluster.ts'
import { startChaosCluster } from './chaos-cluster.ts'
import { memoryUse } from './memory.ts'
import { neverSeen } from './never-seen.ts'
import { anomalyLines, reportText } from './report.ts'
import type { ScenarioResult } from './run-scenario.ts'
import { runRelayScenario } from './run-relay-scenario.ts'
import { runScenario } from './run-scenario.ts'
import type { AnyScenario } from './scenario.ts'
import { drawSchedule, inRounds } from './schedule.ts'

const WORKER = 'test/chaos/worker/main.ts'

/** How a run ended. */
export interface ChaosResult {
  readonly valid: boolean
  readonly seed: number
  readonly folder: string
  readonly scenarios: readonly ScenarioResult[]
  /** What cannot be done on this machine, and why. */
  readonly impossible: readonly Impossible[]
  /** What there was no time for. */
  readonly notRun: readonly string[]
  /** What a run of all scenarios must have seen, and has not. */
  readonly neverSeen: readonly string[]
  readonly stopped: boolean
}

export interface Impossible {
  readonly name: string
  readonly why: string
}

/** Runs scenarios one after the other on one cluster, and writes schedule, results and a report into a folder of the run. */
export async function runChaos(
  request: ChaosRequest,
  scenarios: readonly AnyScenario[],
  { say, stop }: { readonly say: (text: string) => void; readonly stop: AbortSignal },
): Promise<ChaosResult> {
  const { seed, driver, faults } = request
  const deadline = performance.now() + request.minutes * 60_000
  const run = `${new Date().toISOString().replace(/[:.]/g, '-')}-${seed}`
  const folder = join('.tmp', 'chaos', run)
  mkdirSync(folder, { recursive: true })
  const script = join(process.cwd(), folder, 'worker.mjs')
  await bundleProgram(WORKER, script) // a fleet whose members die every second has to start at once

  const { possible, impossible } = await sorted(faults ?? drawSchedule(scenarios, seed))
  writeFileSync(
    join(folder, 'schedule.json'),
    asJson({ seed, driver, scenarios: possible.map(({ number, name }) => ({ number, name })), impossible }),
  )
  for (const { name, why } of impossible) say(`${name}: cannot run here: ${why}`)

  const results: ScenarioResult[] = []
  const notRun: string[] = []
  let cluster: ChaosCluster | null = null
  try {
    for (const { scenario, round } of inRounds(possible, seed, faults === null ? Infinity : 1)) {
      const isTooLong = faults === null && results.length > 0 && performance.now() + scenario.seconds * 1_000 > deadline
      if (isTooLong || stop.aborted) {
        if (round > 1) break
        notRun.push(scenario.name)
        continue
      }
      cluster ??= await startChaosCluster(say)
      say(`${scenario.number} ${scenario.name}: ${scenario.about}`)
      const ofIt = (text: string): void => say(`  ${scenario.name}: ${text}`)
      const options = {
        cluster,
        seed: seed + round - 1,
        driver,
        script,
        folder: join(folder, round === 1 ? scenario.name : `${scenario.name}-${round}`),
        stop,
        say: ofIt,
      }
      const running =
        scenario.kind === 'relay' ? runRelayScenario({ ...options, scenario }) : runScenario({ ...options, scenario })
      const result = await running.catch((error: unknown) => {
        if (stop.aborted) return undefined
        return failed(scenario, error)
      })
      if (result === undefined) {
        if (round === 1) notRun.push(scenario.name)
        continue
      }
      results.push(result)
      ofIt(result.valid ? `holds (${result.seconds} s, ${result.acked} sent, ${result.effects} effects)` : 'BROKEN')
      for (const line of anomalyLines(result)) ofIt(line)
      // A fault that could not be healed would be the next scenario's.
      if (result.problems.length > 0) {
        await cluster.close()
        cluster = null
      }
    }
  } finally {
    await cluster?.close()
  }

  const missing = neverSeen(results, faults === null && notRun.length === 0)
  const valid = results.length > 0 && results.every((result) => result.valid) && missing.length === 0
  const result = {
    valid,
    seed,
    folder,
    scenarios: results,
    impossible,
    notRun,
    neverSeen: missing,
    stopped: stop.aborted,
  }
  const versions = { node: process.version, kafka: KAFKA_VERSION, driver }
  writeFileSync(join(folder, 'result.json'), asJson({ ...result, gitSha: gitSha(), versions }))
  writeFileSync(join(folder, 'report.txt'), reportText(result))
  return result
}

async function sorted(
  scenarios: readonly AnyScenario[],
): Promise<{ readonly possible: readonly AnyScenario[]; readonly impossible: readonly Impossible[] }> {
  const possible: AnyScenario[] = []
  const impossible: Impossible[] = []
  for (const scenario of scenarios) {
    const why = (await scenario.impossible?.()) ?? null
    if (why === null) possible.push(scenario)
    else impossible.push({ name: `${scenario.number} ${scenario.name}`, why })
  }
  return { possible, impossible }
}

function failed({ number, name }: AnyScenario, error: unknown): ScenarioResult {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  const memory = memoryUse([], 'machine')
  const nothing = { seconds: 0, check: null, events: 0, acked: 0, effects: 0, deadLetters: 0, memory }
  return { number, name, valid: false, problems: [`the machine failed: ${text}`], ...nothing }
}

function gitSha(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}
