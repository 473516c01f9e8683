import type { SimulatedProcess, Simulation } from '../../src/testing/simulation/index.ts'
import type { Nemesis } from './nemesis.ts'

/** Processes of one kind, that come, go, and are disturbed. */
export interface Processes<Client> {
  readonly running: ReadonlyMap<SimulatedProcess, Client>
  /** Those to which something was done that is no peaceful end: what they did may have to be repeated. */
  readonly disturbed: ReadonlySet<SimulatedProcess>
  /** Those that have stood still for a while: what they owe by a deadline may be late. */
  readonly suspended: ReadonlySet<SimulatedProcess>
  start(): void
  /** As when its machine goes: nothing of it happens any more. */
  kill(process: SimulatedProcess): void
  /** Closes its client, as a deployment does, and ends it. */
  end(process: SimulatedProcess): void
  /** One of those that run is disturbed by this, where any runs. */
  disturb(what: string, act: (process: SimulatedProcess) => void): void
  /** All that run count as disturbed. */
  disturbAll(): void
  /** Strikes them so often before all is healed. */
  strike(rates: DisturbanceRates): void
  /** All faults are over: at least one runs from now on. */
  heal(): void
}

/** How often a process is killed, suspended, cut off from the cluster, or told to end in peace. */
export interface DisturbanceRates {
  readonly kill: number
  readonly suspend: number
  readonly cut: number
  readonly leave: number
}

/** What {@link createProcesses} needs. */
export interface ProcessesOptions<Client> {
  readonly simulation: Simulation
  readonly nemesis: Nemesis
  /** Their names begin so. */
  readonly prefix: string
  /** Starts the client of a new process. */
  readonly make: (process: SimulatedProcess) => Client
}

/** Makes {@link Processes}: none runs yet. */
export function createProcesses<Client extends { close(): Promise<unknown> }>(
  options: ProcessesOptions<Client>,
): Processes<Client> {
  const { simulation, nemesis, prefix, make } = options
  const { cluster, int } = simulation
  const running = new Map<SimulatedProcess, Client>()
  const disturbed = new Set<SimulatedProcess>()
  const suspended = new Set<SimulatedProcess>()
  let started = 0

  const start = (): void => {
    const process = simulation.process(`${prefix}${started++}`)
    simulation.note(`${process.name} starts`)
    running.set(process, make(process))
  }
  const kill = (process: SimulatedProcess): void => {
    process.kill()
    cluster.unreachable(true, process.name)
    running.delete(process)
    if (nemesis.healed && running.size === 0) start()
  }
  const end = (process: SimulatedProcess): void => {
    const client = running.get(process)
    if (client === undefined) return
    running.delete(process)
    client.close().then(
      () => kill(process),
      () => kill(process),
    )
  }
  const any = (what: string, act: (process: SimulatedProcess) => void): void => {
    const process = [...running.keys()][int(Math.max(1, running.size))]
    if (process === undefined) return
    simulation.note(`nemesis: ${what} ${process.name}`)
    act(process)
  }
  const disturb = (what: string, act: (process: SimulatedProcess) => void): void =>
    any(what, (process) => {
      disturbed.add(process)
      act(process)
    })

  // One that is killed stays out of reach, whatever ends.
  const cuts: readonly (readonly [what: string, cut: (on: boolean, process: SimulatedProcess) => void])[] = [
    ['cuts off', (on, process) => cluster.unreachable(on || process.state === 'killed', process.name)],
    ['loses the requests of', (on, { name }) => cluster.loseRequests(on, name)],
    ['loses the answers to', (on, { name }) => cluster.loseAnswers(on, name)],
  ]

  return {
    running,
    disturbed,
    suspended,
    start,
    kill,
    end,
    disturb,
    disturbAll() {
      for (const process of running.keys()) disturbed.add(process)
    },
    strike(rates) {
      nemesis.strike(rates.kill, () => disturb('kills', kill))
      nemesis.strike(rates.suspend, () =>
        disturb('suspends', (process) =>
          nemesis.forAWhile(
            () => {
              suspended.add(process)
              process.suspend()
            },
            () => process.resume(),
          ),
        ),
      )
      nemesis.strike(rates.cut, () => {
        const [what, cut] = cuts[int(cuts.length)]!
        disturb(what, (process) =>
          nemesis.forAWhile(
            () => cut(true, process),
            () => cut(false, process),
          ),
        )
      })
      nemesis.strike(rates.leave, () => any('ends', end))
    },
    heal() {
      if (running.size === 0) start()
    },
  }
}
