import { HoldfastError } from '../../errors/index.ts'
import type { SeedResult, SimulationBounds, Violation } from './simulate.ts'

/** A seed under which a scenario breaks a promise: what {@link simulate} rejects with, `HOLDFAST_SIMULATION_FAILED`. */
export class SimulationError extends HoldfastError {
  readonly seed: number
  readonly violations: readonly Violation[]
  /** What happened, step by step; empty without `trace`. */
  readonly log: readonly string[]

  constructor(result: SeedResult, run: { readonly passed: number; readonly bounds: SimulationBounds }) {
    const problems = result.violations
      .slice(0, MOST_VIOLATIONS)
      .map(({ kind, detail, stack, atMs }) => ({ path: `${kind} at ${atMs} ms`, message: detail + framesOf(stack) }))
    super('HOLDFAST_SIMULATION_FAILED', messageOf(result, run), { problems })
    this.seed = result.seed
    this.violations = result.violations
    this.log = result.log
  }
}

const MOST_VIOLATIONS = 20
const MOST_LINES = 400
const MOST_FRAMES = 6

/** Where an error came from: its frames without its message, which the detail has. */
function framesOf(stack = ''): string {
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line))
  return frames
    .slice(0, MOST_FRAMES)
    .map((frame) => `\n  ${frame}`)
    .join('')
}

function messageOf(
  { seed, violations, log }: SeedResult,
  { passed, bounds }: { readonly passed: number; readonly bounds: SimulationBounds },
): string {
  const count = violations.length === 1 ? 'a broken promise' : `${violations.length} broken promises`
  const before = passed === 0 ? '' : `, after ${passed} ${passed === 1 ? 'seed' : 'seeds'} without one`
  if (log.length > 0) {
    const cut = log.length > MOST_LINES ? [`(${log.length - MOST_LINES} lines before)`] : []
    return [`simulation: seed ${seed} has ${count}${before}. What happened:`, ...cut, ...log.slice(-MOST_LINES)].join(
      '\n',
    )
  }
  return `simulation: seed ${seed} has ${count}${before}; to see it again: simulate(scenario, ${replayOf(seed, bounds)})`
}

/** The options that show it again. Bounds belong to it: what comes when follows from them too. */
function replayOf(seed: number, bounds: SimulationBounds): string {
  const given = Object.entries(bounds).map(([name, value]) => `${name}: ${String(value)}`)
  return `{ seed: ${seed}, trace: true${given.length === 0 ? '' : `, bounds: { ${given.join(', ')} }`} }`
}
