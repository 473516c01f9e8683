import { MAX_EXAMPLES, type InvariantId } from './anomalies.ts'
import type { CheckResult, Example } from './check-history.ts'
import type { CounterName, Counters } from './counters.ts'

/** What is written as `result.json`. */
export interface RunResult extends RunNames {
  readonly valid: boolean
  readonly scenarios: readonly ScenarioResult[]
  /** By their type. */
  readonly anomalies: Readonly<Record<string, RunAnomaly>>
  readonly counters: Counters
  /** Microseconds from the beginning of its scenario; null without one. */
  readonly firstViolationAt: { readonly scenario: string; readonly us: number } | null
}

/** What a run is known by, and repeated with. */
export interface RunNames {
  readonly seed: string
  readonly gitSha: string
  readonly versions: Readonly<Record<string, string>>
}

export interface ScenarioResult {
  readonly name: string
  readonly valid: boolean
  /** How often each type was found. */
  readonly anomalies: Readonly<Record<string, number>>
  readonly counters: Counters
  readonly vacuous: readonly CounterName[]
}

export interface RunAnomaly {
  readonly invariant: InvariantId
  readonly count: number
  readonly examples: readonly (Example & { readonly scenario: string })[]
}

/** One scenario that ran and was judged. */
export interface CheckedScenario {
  readonly name: string
  /** When its history begins, in microseconds. */
  readonly startedAt: number
  readonly check: CheckResult
}

/** Puts scenarios together. A run without any has proven nothing: it is not valid. */
export function runResult(names: RunNames, scenarios: readonly CheckedScenario[]): RunResult {
  const anomalies: Record<string, RunAnomaly> = {}
  for (const { name, check } of scenarios) {
    for (const { type, invariant, count, examples } of check.anomalies) {
      const before = anomalies[type] ?? { invariant, count: 0, examples: [] }
      const named = examples.map((example) => ({ ...example, scenario: name }))
      const all = [...before.examples, ...named].toSorted((a, b) => (b.weight ?? 1) - (a.weight ?? 1))
      anomalies[type] = { invariant, count: before.count + count, examples: all.slice(0, MAX_EXAMPLES) }
    }
  }
  const first = scenarios.find(({ check }) => check.firstViolationAt !== undefined)
  return {
    valid: scenarios.length > 0 && scenarios.every(({ check }) => check.valid),
    ...names,
    scenarios: scenarios.map(({ name, check }) => ({
      name,
      valid: check.valid,
      anomalies: Object.fromEntries(check.anomalies.map(({ type, count }) => [type, count])),
      counters: check.counters,
      vacuous: check.vacuous,
    })),
    anomalies,
    counters: sum(scenarios.map(({ check }) => check.counters)),
    firstViolationAt:
      first === undefined ? null : { scenario: first.name, us: first.check.firstViolationAt! - first.startedAt },
  }
}

/** The text of `result.json`: offsets are decimal text in it. */
export function resultJson(result: RunResult): string {
  return `${JSON.stringify(result, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value), 2)}\n`
}

function sum(all: readonly Counters[]): Counters {
  const total: Record<string, number> = {}
  for (const counters of all) {
    for (const [name, count] of Object.entries(counters)) total[name] = (total[name] ?? 0) + count
  }
  return total as Counters
}
