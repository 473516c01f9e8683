import type { Runtime } from '../../clock/index.ts'
import { hearUnheardRejections, nextTurn, standInForGlobalTime } from '../../clock/index.ts'
import { describeError } from '../../errors/index.ts'
import type { InMemoryCluster, InMemoryClusterOptions, InMemoryDriver } from '../in-memory/index.ts'
import { createInMemoryCluster, inMemoryDriver } from '../in-memory/index.ts'
import { seededRandom } from '../seeded-random.ts'
import { START_AT } from '../virtual-clock.ts'
import { createScheduler } from './scheduler.ts'
import type { SimProcess } from './sim-processes.ts'
import { createSimProcess } from './sim-processes.ts'

/** The world of one seed. All of it follows from the seed: what happens, when, and in which order. */
export interface Simulation {
  readonly seed: number
  readonly cluster: InMemoryCluster
  /** Of the world outside of all processes: databases, brokers. */
  readonly runtime: Runtime
  /** Virtual milliseconds since it began. */
  readonly now: number
  /** A whole number from 0 to below `below`. */
  int(below: number): number
  chance(probability: number): boolean
  /** Starts a process; its name is the client id of its driver. */
  process(name: string): SimulatedProcess
  /** Calls at a moment of virtual time. */
  at(ms: number, call: () => void): void
  /** Calls so many times, each at some moment before the faults end. */
  during(count: number, call: () => void): void
  /** A promise is broken. */
  violation(kind: string, detail: string): void
  /** What happened, for the trace. */
  note(what: string): void
}

/** A process with its way to the cluster. */
export interface SimulatedProcess extends SimProcess {
  readonly driver: InMemoryDriver
}

/** What a scenario leaves to be done when it has set up its world. */
export interface ScenarioRun {
  /** Ends all faults: from now on everything must come to its end. @defaultValue there are none that do not end by themselves */
  heal?(): void
  /** Is everything done that has to be? Asked after every step, so it should be quick. */
  done(): boolean
  /**
   * Looks for broken promises at the end. One is told by {@link Simulation.violation}, or thrown: an assertion of a test runner does.
   *
   * @defaultValue only looks whether all came to its end
   */
  check?(): void
}

/**
 * Sets up a world, its faults included, and says what has to hold. What it throws, then or later, is a broken promise.
 *
 * While it runs, `Date`, `performance.now`, `setTimeout`, `setInterval` and `Math.random` of this thread are the simulation's: code that reads them
 * is the same every time too. A real timer (`node:timers/promises`), a socket or a file has no place in it: nobody waits for them.
 */
export type Scenario = (simulation: Simulation) => ScenarioRun

/** How long a simulation may take, and what its cluster is like. */
export interface SimulationBounds {
  /** Faults come until then, in virtual milliseconds. @defaultValue `5_000` */
  readonly faultsUntilMs?: number
  /** By then everything must be done, in virtual milliseconds. @defaultValue `180_000` */
  readonly doneByMs?: number
  /** Steps of one schedule at most. @defaultValue `200_000` */
  readonly maxSteps?: number
  /**
   * In what part of all seeds groups rebalance cooperatively, from 0 to 1. A driver on kafkajs never does.
   *
   * @defaultValue `0`
   */
  readonly cooperative?: number
}

/** What became of one seed. */
export interface SeedResult {
  readonly seed: number
  readonly violations: readonly Violation[]
  readonly steps: number
  /** The same for the same seed and the same code, always. */
  readonly trace: number
  readonly log: readonly string[]
}

/** A broken promise. */
export interface Violation {
  /**
   * What the scenario says, or: `not-live`, it did not come to its end; `thrown`, something of the scenario threw; `unhandled-rejection`, a promise
   * rejected and nobody listened, which ends a service.
   */
  readonly kind: string
  readonly detail: string
  /** Where an error came from, of what was thrown or rejected. */
  readonly stack?: string
  /** In virtual milliseconds. */
  readonly atMs: number
}

/**
 * Runs a scenario under one seed: a phase of faults, then one in which everything is healed and must come to its end. Never rejects. Of several
 * calls in one thread each waits for the one before: the globals are one seed's at a time.
 *
 * @param trace - keeps a log of what happened, which takes time
 */
export function simulateSeed(
  scenario: Scenario,
  seed: number,
  bounds: SimulationBounds = {},
  trace = false,
): Promise<SeedResult> {
  const result = last.then(() => runSeed(scenario, seed, bounds, trace))
  last = result
  return result
}

let last: Promise<unknown> = Promise.resolve()

async function runSeed(
  scenario: Scenario,
  seed: number,
  { faultsUntilMs = 5_000, doneByMs = 180_000, maxSteps = 200_000, cooperative = 0 }: SimulationBounds,
  trace: boolean,
): Promise<SeedResult> {
  const stream = (n: number): (() => number) => seededRandom(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(n, 0x85ebca6b))
  const scheduler = createScheduler(stream(1))
  const random = stream(2)
  const network = stream(3)
  const slowest = Math.floor(stream(4)() * 30) // how slow the network is differs from seed to seed
  const violations: Violation[] = []
  const log: string[] = []
  const processes = new Map<string, SimProcess>()
  let streams = 5
  // All that one step brings about happens before the next: what sets a timer meanwhile is code of this process, and ends with it.
  let current: SimProcess
  const onTurn = (process: SimProcess): void => void (current = process)

  const start = (name: string): SimProcess => {
    const failpointMs = stream(streams++)
    const process = createSimProcess({
      name,
      seed: Math.floor(stream(streams++)() * 2 ** 31),
      scheduler,
      startAt: START_AT,
      failpointMs: () => (failpointMs() < 0.5 ? 0 : Math.floor(failpointMs() * 4)),
      onTurn,
    })
    processes.set(name, process)
    return process
  }
  const world = createSimProcess({
    name: 'world',
    seed,
    scheduler,
    startAt: START_AT,
    failpointMs: () => 0,
    onTurn,
  })
  current = world
  const options: InMemoryClusterOptions = {
    runtime: world.runtime,
    rebalance: stream(-1)() < cooperative ? 'cooperative' : 'eager',
    network: (clientId) => (processes.get(clientId) ?? world).pause(Math.floor(network() * (slowest + 1))),
  }
  const cluster = createInMemoryCluster(options)

  const broken = (violation: Violation): void => {
    violations.push(violation)
    if (trace) log.push(`${violation.atMs} VIOLATION ${violation.kind}: ${violation.detail}`)
  }
  const at = (ms: number, call: () => void): void => {
    scheduler.after(ms - scheduler.now, () => {
      onTurn(world)
      call()
    })
  }
  const simulation: Simulation = {
    seed,
    cluster,
    runtime: world.runtime,
    get now() {
      return scheduler.now
    },
    int: (below) => Math.floor(random() * below),
    chance: (probability) => random() < probability,
    process(name) {
      const process = start(name)
      return Object.assign(process, { driver: inMemoryDriver({ clientId: name, cluster }) })
    },
    at,
    during(count, call) {
      for (let i = 0; i < count; i++) at(simulation.int(faultsUntilMs), call)
    },
    violation: (kind, detail) => broken({ kind, detail, atMs: scheduler.now }),
    note(what) {
      if (trace) log.push(`${scheduler.now} ${what}`)
    },
  }

  const giveBack = standInForGlobalTime({
    clock: {
      now: world.runtime.clock.now,
      monotonic: world.runtime.clock.monotonic,
      after: (ms, call) => current.runtime.clock.after(ms, call),
      every: (ms, call) => current.runtime.clock.every(ms, call),
    },
    random: stream(0),
  })
  const failed = (kind: string, thrown: unknown): void => {
    const { name, message, stack } = describeError(thrown)
    broken({ kind, detail: `${name}: ${message}`, atMs: scheduler.now, ...(stack !== undefined && { stack }) })
  }
  const endHearing = hearUnheardRejections((error) => failed('unhandled-rejection', error))
  try {
    const run = scenario(simulation)
    await scheduler.runUntil(() => false, { atMs: faultsUntilMs, steps: maxSteps })
    onTurn(world)
    run.heal?.()
    simulation.note('healed')
    const isDone = await scheduler.runUntil(() => run.done(), { atMs: doneByMs, steps: maxSteps })
    if (!isDone) simulation.violation('not-live', `not done by ${scheduler.now} ms, ${scheduler.steps} steps`)
    run.check?.()
    await nextTurn() // what it left rejected is told by then
  } catch (thrown) {
    failed('thrown', thrown)
  } finally {
    endHearing()
    giveBack()
  }
  return { seed, violations, steps: scheduler.steps, trace: scheduler.trace, log }
}
