import { z } from 'zod'
import { systemClock } from '../../clock/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import type { Scenario, SeedResult, SimulationBounds } from './simulate.ts'
import { simulateSeed } from './simulate.ts'
import { SimulationError } from './simulation-error.ts'

/** Which seeds are run, and how. */
export interface SimulateOptions {
  /** How many, counted up from `from`: an integer of 1 to 2^31 − 1. Or which. Not together with `seed`. @defaultValue `100` */
  readonly seeds?: number | readonly number[]
  /** The first one of a number of seeds: an integer of 0 to 2^31 − 1. @defaultValue `0` */
  readonly from?: number
  /** This one alone: an integer of 0 to 2^31 − 1. */
  readonly seed?: number
  /** Keeps what happens, step by step, in the result and in the error's message. It takes time: for a seed or a few. @defaultValue `false` */
  readonly trace?: boolean
  /** Runs each seed twice and compares: a scenario that reads what the seed does not decide is found. @defaultValue `false` */
  readonly twice?: boolean
  /** Begins no seed after so many milliseconds of real time, and resolves with how far it came; at least one is run. @defaultValue no bound */
  readonly forMs?: number
  /** How long each may take, in virtual time and steps. */
  readonly bounds?: SimulationBounds
  /** Ends it before the next seed. */
  readonly signal?: AbortSignal
  /** Told after each seed. */
  readonly onProgress?: (progress: SimulationProgress) => void
}

/** How far a simulation has come. */
export interface SimulationProgress {
  /** Seeds that were run and broke nothing. */
  readonly done: number
  readonly of: number
}

/** What became of seeds none of which breaks a promise. */
export interface SimulationReport {
  /** How many were run. */
  readonly seeds: number
  readonly steps: number
  readonly schedulesPerMinute: number
  /** What happened under the last one, step by step; empty without `trace`. */
  readonly log: readonly string[]
}

/**
 * Runs a scenario under one seed after the other, in virtual time, each a schedule of its own: what happens, when, and in which order.
 *
 * ```ts
 * test('no order is charged twice, whatever dies in between', () => simulate(charging, { seeds: 500 }))
 * ```
 *
 * @throws HOLDFAST_SIMULATION_FAILED, a {@link SimulationError}, at the first seed that breaks a promise: with the seed, what was broken, and the
 * call that shows it again. HOLDFAST_CONFIG_INVALID for options that do not fit, HOLDFAST_ABORTED by `signal`.
 */
export async function simulate(scenario: Scenario, options: SimulateOptions = {}): Promise<SimulationReport> {
  refuseUnfit(scenario, options)
  const { trace = false, twice = false, forMs = Infinity, bounds = {}, signal, onProgress } = options
  const [count, seedAt] = seedsOf(options)
  const began = systemClock.monotonic()
  const elapsedMs = (): number => systemClock.monotonic() - began

  let done = 0
  let steps = 0
  let log: readonly string[] = []
  while (done < count && (done === 0 || elapsedMs() < forMs)) {
    if (signal?.aborted) {
      throw new HoldfastError('HOLDFAST_ABORTED', `simulation: ended after ${done} seeds`, { cause: signal.reason })
    }
    const result = await runSeed(scenario, seedAt(done), { bounds, trace, twice })
    if (result.violations.length > 0) throw new SimulationError(result, { passed: done, bounds })
    done++
    steps += result.steps
    log = result.log
    onProgress?.({ done, of: count })
  }
  return { seeds: done, steps, schedulesPerMinute: Math.round((done / Math.max(1, elapsedMs())) * 60_000), log }
}

function seedsOf({ seeds = 100, from = 0, seed }: SimulateOptions): [number, (i: number) => number] {
  if (seed !== undefined) return [1, () => seed]
  if (typeof seeds === 'number') return [seeds, (i) => from + i]
  return [seeds.length, (i) => seeds[i]!]
}

async function runSeed(
  scenario: Scenario,
  seed: number,
  { bounds, trace, twice }: { readonly bounds: SimulationBounds; readonly trace: boolean; readonly twice: boolean },
): Promise<SeedResult> {
  const once = await simulateSeed(scenario, seed, bounds, trace || twice)
  if (!twice) return once
  const again = await simulateSeed(scenario, seed, bounds, true)
  const i = differsAt(once.log, again.log)
  const violations = [...once.violations]
  if (i !== null || once.trace !== again.trace) {
    const where =
      i === null
        ? 'in steps that nobody noted'
        : `from line ${i + 1}: ${once.log[i] ?? 'its end'} / ${again.log[i] ?? 'its end'}`
    violations.push({ kind: 'not-the-same', detail: `twice with one seed, and it differs ${where}`, atMs: 0 })
  }
  return { ...once, violations, log: trace ? once.log : [] }
}

function differsAt(once: readonly string[], again: readonly string[]): number | null {
  for (let i = 0; i < Math.max(once.length, again.length); i++) if (once[i] !== again[i]) return i
  return null
}

const MOST = 2 ** 31 - 1
const number = z.int('an integer is needed')
const fromZero = number.min(0, 'must be 0 or more').max(MOST, `must be ${MOST} or less`)
const fromOne = number.min(1, 'must be 1 or more').max(MOST, `must be ${MOST} or less`)

const schema = z
  .strictObject({
    seeds: z.union(
      [fromOne, z.array(fromZero).min(1)],
      `a number from 1 to ${MOST}, or an array of seeds from 0, is needed`,
    ),
    from: fromZero,
    seed: fromZero,
    trace: z.boolean('true or false is needed'),
    twice: z.boolean('true or false is needed'),
    forMs: fromOne,
    bounds: z
      .strictObject({
        faultsUntilMs: fromZero,
        doneByMs: fromOne,
        maxSteps: fromOne,
        cooperative: z.number().min(0).max(1),
      })
      .partial(),
    signal: z.instanceof(AbortSignal, { error: 'an AbortSignal is needed' }),
    onProgress: z.custom((value) => typeof value === 'function', 'a function is needed'),
  })
  .partial()
  .superRefine(({ seeds, from, seed }, context) => {
    const refuse = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message })
    if (seed !== undefined && seeds !== undefined) refuse('seeds', 'not together with seed')
    if (from !== undefined && (seed !== undefined || Array.isArray(seeds)))
      refuse('from', 'only with a number of seeds')
  })

function refuseUnfit(scenario: unknown, options: unknown): void {
  const checked = schema.safeParse(options)
  const problems = (checked.error?.issues ?? []).map(({ path, message }) => ({
    path: path.join('.') || 'options',
    message,
  }))
  if (typeof scenario !== 'function') problems.unshift({ path: 'scenario', message: 'a function is needed' })
  if (problems.length > 0) {
    throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'simulate: options do not fit', { problems })
  }
}
