// npm run chaos -- [--seed S] [--minutes M] [--faults A,B] [--driver D] [--smoke] [--relay] [--list] [--json]
//
// Real brokers, real processes, one fault after the other, and a checker that judges what came of it.
import { CHAOS_USAGE, parseChaosArguments, reportText, runChaos } from '../test/chaos/machine/index.ts'
import { relayStorm, SCENARIOS, SMOKE } from '../test/chaos/scenarios/index.ts'
import { DRIVER_NAMES } from '../test/chaos/worker/index.ts'

const args = parseChaosArguments(process.argv.slice(2), {
  scenarios: SCENARIOS,
  smoke: SMOKE,
  drivers: DRIVER_NAMES,
  storm: relayStorm,
})
switch (args.kind) {
  case 'help':
    console.log(CHAOS_USAGE)
    break
  case 'wrong':
    console.error(`${args.problems.join('\n')}\n\n${CHAOS_USAGE}`)
    process.exitCode = 2
    break
  case 'list':
    await list()
    break
  case 'run':
    process.exitCode = await run(args)
}

async function list(): Promise<void> {
  for (const { number, name, about, seconds, impossible } of SCENARIOS) {
    const why = (await impossible?.()) ?? null
    console.log(`${String(number).padStart(2)} ${name.padEnd(22)} ${about} (${seconds} s)`)
    if (why !== null) console.log(`   cannot run here: ${why}`)
  }
}

async function run(request: Extract<typeof args, { kind: 'run' }>): Promise<number> {
  const stopping = new AbortController()
  const onSignal = (): void => {
    console.error('stopping; a second Ctrl-C ends at once')
    stopping.abort(new Error('stopped'))
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.off(signal, onSignal)
      process.once(signal, () => process.exit(130)) // what was started dies with this process
    }
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal)

  const begunAt = performance.now()
  const say = (text: string): void => {
    const line = `${((performance.now() - begunAt) / 1_000).toFixed(1).padStart(6)} s  ${text}`
    if (request.json) console.error(line)
    else console.log(line)
  }
  say(`seed ${request.seed}, driver ${request.driver}`)
  const result = await runChaos(request, SCENARIOS, { say, stop: stopping.signal })
  const report = reportText(result)
  if (!request.json) console.log(`\n${report}`)
  else {
    console.error(report)
    const scenarios = result.scenarios.map(({ number, name, valid, seconds }) => ({ number, name, valid, seconds }))
    const unseen = result.neverSeen.map((counter) => ({ scenario: 'all', type: `vacuous: ${counter}`, count: 1 }))
    const ofScenarios = result.scenarios.flatMap(({ name, check, problems }) => [
      ...problems.map((problem) => ({ scenario: name, type: problem, count: 1 })),
      ...(check?.anomalies ?? []).map(({ invariant, type, count }) => ({ scenario: name, invariant, type, count })),
      ...(check?.vacuous ?? []).map((counter) => ({ scenario: name, type: `vacuous: ${counter}`, count: 1 })),
    ])
    const anomalies = [...ofScenarios, ...unseen]
    console.log(JSON.stringify({ valid: result.valid, seed: result.seed, scenarios, anomalies }))
  }
  if (result.stopped) return 130
  return result.valid ? 0 : 1
}
