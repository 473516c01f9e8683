import { HoldfastError } from '../../src/errors/index.ts'
import type { DedupeStore, LeaseToken } from '../../src/idempotency/index.ts'
import { memoryDedupeStore } from '../../src/idempotency/index.ts'
import type { SimulatedProcess, Simulation } from '../../src/testing/simulation/index.ts'
import type { Outcomes } from './outcomes.ts'
import type { Placed, PlacedRecords } from './placed-records.ts'

/** A dedupe store that all processes share, as a database would be; calls travel, and it can be out. */
export interface WatchedStore {
  /** As a process sees it. @param owns - is the record's partition its own, as far as it knows? */
  of(process: SimulatedProcess, owns: (placed: Placed) => boolean): DedupeStore
  isMarked(placed: Placed): boolean
  /** The handler of a process has failed by itself. */
  failed(process: SimulatedProcess, placed: Placed): void
  down: boolean
}

interface Claim {
  readonly process: SimulatedProcess
  readonly placed: Placed
  /** Attempts that were used up: those before it, and its own. */
  failures: number
}

/**
 * Makes a {@link WatchedStore}. Nothing may be marked before it has its outcome, or for a partition that is known to be gone, and no failed
 * attempt may be forgotten.
 */
export function createWatchedStore(
  simulation: Simulation,
  placed: PlacedRecords,
  outcomes: Outcomes,
  maxAttempts: number,
): WatchedStore {
  const store = memoryDedupeStore({ runtime: simulation.runtime, maxEntries: 1_000 })
  const marked = new Set<Placed>()
  const claims = new Map<LeaseToken, Claim>()
  let down = false

  const ask = async <T>(process: SimulatedProcess, call: () => T): Promise<T> => {
    await process.pause(simulation.int(4))
    if (down) throw new HoldfastError('HOLDFAST_STORE_UNAVAILABLE', 'down', { retriable: true })
    const answer = call()
    await process.pause(simulation.int(4))
    return answer
  }

  return {
    isMarked: (each) => marked.has(each),
    failed(process, each) {
      for (const claim of claims.values()) if (claim.process === process && claim.placed === each) claim.failures++
    },
    get down() {
      return down
    },
    set down(on) {
      down = on
    },
    of: (process, owns) => ({
      begin: (id, options) =>
        ask(process, () => {
          const answer = store.begin(id, options) as Awaited<ReturnType<DedupeStore['begin']>>
          const each = placed.named((JSON.parse(id) as readonly string[])[2]!)!
          simulation.note(`${process.name} begins ${each.id} at the store: ${answer.kind}`)
          if (answer.kind === 'started')
            claims.set(answer.token, { process, placed: each, failures: answer.attempt - 1 })
          return answer
        }),
      complete(token, outcome) {
        const { placed: each } = claims.get(token)!
        const what = `${process.name} marks ${each.id} as ${outcome}`
        if (!owns(each)) simulation.violation('stale-complete', `${what}, of a partition that is gone`)
        if (
          outcome === 'parked'
            ? !outcomes.isParked(each)
            : !outcomes.hasHappened(each) && outcomes.excuseOf(each) === undefined
        )
          simulation.violation('marked-too-early', what)
        return ask(process, () => {
          store.complete(token, outcome) as void
          marked.add(each)
          claims.delete(token)
        })
      },
      abandon(token, attempts) {
        const claim = claims.get(token)
        const used = Math.min(claim?.failures ?? 0, maxAttempts - 1)
        if (attempts !== undefined && attempts < used)
          simulation.violation('attempts-forgotten', `${claim!.placed.id}: ${attempts} of ${used}`)
        return ask(process, () => {
          store.abandon(token, attempts) as void
          claims.delete(token)
        })
      },
      renew: (token, leaseMs) => ask(process, () => store.renew(token, leaseMs) as void),
    }),
  }
}
