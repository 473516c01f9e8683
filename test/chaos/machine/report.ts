import type { MemoryUse } from './memory.ts'
import type { ChaosResult } from './run-chaos.ts'
import type { ScenarioResult } from './run-scenario.ts'

/** What is wrong with a scenario, a line each; none when all is well. */
export function anomalyLines({ problems, check }: ScenarioResult): readonly string[] {
  return [
    ...problems,
    ...(check?.anomalies ?? []).flatMap(({ invariant, type, count, examples }) => [
      `${invariant} ${type}: ${count}`,
      ...examples.slice(0, 2).map(({ text }) => `    ${text}`),
    ]),
    ...(check?.vacuous ?? []).map((counter) => `proves nothing: ${counter} stayed 0`),
  ]
}

/** The whole run, for people. */
export function reportText({ scenarios, impossible, notRun, neverSeen, seed, folder, stopped }: ChaosResult): string {
  const rows = scenarios.map((result) => {
    const { number, name, valid, seconds, acked, effects, deadLetters, memory, events } = result
    const counters = Object.entries(result.check?.counters ?? {}).filter(([, count]) => count > 0)
    return [
      `${valid ? 'holds ' : 'BROKEN'} ${String(number).padStart(2)} ${name.padEnd(22)} ${seconds} s, ${acked} sent, ${effects} effects, ` +
        `${deadLetters} dead letters, ${events} events`,
      `          ${memoryText(memory)}`,
      `          ${counters.map(([counter, count]) => `${counter} ${count}`).join(', ')}`,
      ...anomalyLines(result).map((line) => `          ${line}`),
    ].join('\n')
  })
  const broken = scenarios.filter(({ valid }) => !valid)
  return `${[
    ...rows,
    ...impossible.map(({ name, why }) => `cannot run here: ${name}: ${why}`),
    ...(notRun.length === 0 ? [] : [`not run: ${notRun.join(', ')}`]),
    ...neverSeen.map((counter) => `proves little: ${counter} stayed 0 in every scenario`),
    `seed ${seed}: ${scenarios.length - broken.length} of ${scenarios.length} scenarios hold${stopped ? ', stopped before the end' : ''}; all of it in ${folder}`,
    ...(broken.length === 0
      ? []
      : [`again: npm run chaos -- --seed ${seed} --faults ${broken.map(({ name }) => name).join(',')}`]),
  ].join('\n')}\n`
}

function memoryText({ workersMaxMb, steepestMbPerMinute, runnerMb }: MemoryUse): string {
  const growth =
    steepestMbPerMinute === null
      ? 'ran too short to tell its growth'
      : `grew by at most ${steepestMbPerMinute} MB a minute`
  return `a worker had at most ${workersMaxMb} MB and ${growth}; the runner had ${runnerMb} MB`
}
