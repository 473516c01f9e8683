import { decodeFinishedRanges } from '../../../src/consumer/index.ts'
import type { SimulatedProcess, Simulation } from '../../../src/testing/simulation/index.ts'
import type { WatchedCommit } from '../../../src/testing/simulation/watch-commits.ts'
import type { Placed, PlacedRecords } from '../placed-records.ts'

/** Which records were claimed by whom, and what came of the one call that each may have. */
export interface Calls {
  /** A process sends a commit. What it covers and the broker does not know yet is lost with that process until its call has ended. */
  committing(process: SimulatedProcess, commit: WatchedCommit): void
  /** A handler is called. @param isZombie - its process may have lost the partition without knowing */
  begun(process: SimulatedProcess, placed: Placed, isZombie: boolean): void
  ended(process: SimulatedProcess, placed: Placed, how: 'handled' | 'failed'): void
  /** The consumer has said that its time is over: it has failed, though it may go on. */
  timedOut(process: SimulatedProcess, placed: Placed): void
  skipped(placed: Placed): void
  /** The consumer has said that nobody will handle it, or that it was interrupted. */
  abandoned(process: SimulatedProcess, placed: Placed): void
  /** It is for no handler. */
  unhandled(placed: Placed): void
  /** Has it come to its end, one way or another? */
  isOver(placed: Placed): boolean
  /** Everything was called, or the reason is known; and what has failed was told. */
  check(): void
}

interface Call {
  readonly process: SimulatedProcess
  how: 'running' | 'handled' | 'failed'
}

/** What {@link createCalls} needs. */
export interface CallsOptions {
  readonly simulation: Simulation
  readonly placed: PlacedRecords
  readonly groupId: string
  /** Nothing may be lost at all. */
  readonly inPeace: boolean
  /** How many places a process may lose with a crash. */
  readonly mostAtRisk: number
  readonly isOrdered: (topic: string) => boolean
  readonly isBatch: (topic: string) => boolean
  /** Of records that wait for one another. */
  readonly laneOf: (placed: Placed) => string
  /** Was something done to it that is no peaceful end? */
  readonly isDisturbed: (process: SimulatedProcess) => boolean
}

/** Makes {@link Calls}: none yet. */
export function createCalls(options: CallsOptions): Calls {
  const { simulation, placed, groupId, inPeace, mostAtRisk, isDisturbed } = options
  const { cluster, violation, note } = simulation
  const calls = new Map<Placed, Call>()
  const claims = new Map<Placed, Set<SimulatedProcess>>()
  const atRisk = new Map<SimulatedProcess, Set<Placed>>() // claimed, and neither called to the end nor given up
  const abandoned = new Map<Placed, Set<SimulatedProcess>>()
  const told = new Set<Placed>() // as skipped
  const unhandled = new Set<Placed>()
  const last = new Map<string, Placed>() // of each lane, what was called with the highest offset
  const effects = new Map<string, Placed[]>()

  const isCommitted = ({ topic, partition, offset }: Placed): boolean => {
    const stored = cluster.committed(groupId).find((each) => each.topic === topic && each.partition === partition)
    if (stored === undefined) return false
    if (offset < stored.offset) return true
    return decodeFinishedRanges(stored.offset, stored.metadata).some(
      ({ first, last: end }) => offset >= first && offset <= end,
    )
  }
  const riskOf = (process: SimulatedProcess): Set<Placed> => {
    const risk = atRisk.get(process) ?? new Set()
    atRisk.set(process, risk)
    return risk
  }
  /** Messages of one batch share a place. */
  const placesOf = (risk: ReadonlySet<Placed>): number =>
    new Set([...risk].map((each) => (options.isBatch(each.topic) ? `${each.topic}[${each.partition}]` : each.id))).size

  const isGone = (process: SimulatedProcess, each: Placed): boolean =>
    (process.state === 'killed' && isDisturbed(process)) || abandoned.get(each)?.has(process) === true
  const isExplained = (each: Placed): boolean => {
    const by = claims.get(each)
    return by !== undefined && by.size > 0 && [...by].every((process) => isGone(process, each))
  }
  const isOver = (each: Placed): boolean => {
    if (unhandled.has(each)) return true
    const call = calls.get(each)
    if (call === undefined) return isExplained(each)
    if (call.process.state === 'killed' || call.how === 'handled') return true
    return call.how === 'failed' && (told.has(each) || isGone(call.process, each))
  }

  return {
    committing(process, commit) {
      for (const partition of commit.offsets) {
        for (const each of placed.of(partition)) {
          if (unhandled.has(each) || calls.has(each) || !commit.covers(each) || isCommitted(each)) continue
          const by = claims.get(each) ?? new Set()
          claims.set(each, by.add(process))
          if (!isGone(process, each)) riskOf(process).add(each)
        }
      }
      const risk = riskOf(process)
      for (const each of risk) {
        if (calls.has(each) || commit.covers(each) || isCommitted(each)) continue
        risk.delete(each) // its commit was refused, or overwritten by one that does not name it
        claims.get(each)?.delete(process)
      }
      if (placesOf(risk) > mostAtRisk) {
        const ids = [...risk].map(({ id }) => id).join(', ')
        violation('too-many-at-risk', `${process.name} would lose ${ids} with a crash, more than ${mostAtRisk}`)
      }
    },
    begun(process, each, isZombie) {
      const before = calls.get(each)
      const name = `${each.id} (${each.lane} ${each.offset})`
      note(`${process.name} is called with ${name}`)
      if (before !== undefined) violation('called-twice', `${name}: by ${before.process.name}, by ${process.name}`)
      if (!isCommitted(each)) violation('called-before-commit', `${process.name}: ${name}`)
      calls.set(each, { process, how: 'running' })
      const lane = options.laneOf(each)
      const highest = last.get(lane)
      if (options.isOrdered(each.topic) && !isZombie && highest !== undefined && highest.offset > each.offset)
        violation('out-of-order', `${lane}: ${each.offset} after ${highest.offset}`)
      if (highest === undefined || highest.offset < each.offset) last.set(lane, each)
    },
    ended(process, each, how) {
      note(`${process.name}: ${each.id} ${how}`)
      calls.get(each)!.how = how
      riskOf(process).delete(each)
      if (how === 'failed') return
      const lane = options.laneOf(each)
      effects.set(lane, [...(effects.get(lane) ?? []), each])
    },
    timedOut: (process, each) => void riskOf(process).delete(each),
    skipped: (each) => void told.add(each),
    abandoned(process, each) {
      note(`${process.name} abandons ${each.id}`)
      abandoned.set(each, (abandoned.get(each) ?? new Set()).add(process))
      riskOf(process).delete(each)
      if (inPeace) violation('abandoned-in-peace', `${each.id} by ${process.name}`)
    },
    unhandled: (each) => void unhandled.add(each),
    isOver,
    check() {
      for (const each of placed.all) {
        const call = calls.get(each)
        const name = `${each.id} at ${each.topic}[${each.partition}]@${each.offset}`
        if (!isOver(each) || (inPeace && call === undefined && !unhandled.has(each))) violation('lost', name)
        // One that has closed may end in the breath in which a handler that outlived its drain does: nobody is there to be told.
        const isThere = call !== undefined && call.process.state !== 'killed'
        const isSilent = isThere && call.how === 'failed' && !told.has(each) && !isGone(call.process, each)
        if (isSilent) violation('failed-silently', `${name}, in ${call.process.name}`)
      }
      if (!inPeace) return
      for (const [lane, order] of effects) {
        if (!options.isOrdered(order[0]!.topic)) continue
        for (const [i, each] of order.entries())
          if (i > 0 && each.offset < order[i - 1]!.offset)
            violation('out-of-order', `${lane}: the effect of ${each.offset} after that of ${order[i - 1]!.offset}`)
      }
    },
  }
}
