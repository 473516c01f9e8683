import { doublesOf } from './doubles.ts'
import type { IndexedHistory, PartitionStory } from './index-history.ts'
import type { OutboxCounterName } from './outbox-counters.ts'
import { countOutbox } from './outbox-counters.ts'
import { createOwners } from './owners.ts'
import { wasKilled } from './process-stories.ts'

/** How often something happened without which a run proves little. */
export type Counters = Record<CounterName, number>

export type CounterName =
  /** A partition was taken from a process that was handling records of it, or a process died over them. */
  | 'rebalanceWithWorkInFlight'
  /** A commit of an assignment that is over was refused, by us or by the broker. */
  | 'refusedStaleCommit'
  /** A dead letter or an outcome of an assignment that is over was refused by us. */
  | 'refusedStaleWork'
  | 'dedupeHit'
  /** Parked by another process than one that had begun the record and died. */
  | 'parkAfterCrash'
  | 'produceInfo'
  /** A handler ended after its partition had gone to somebody else, and the effect is that one's. */
  | 'zombieEffectBlocked'
  | 'redelivered'
  | 'retried'
  | 'parked'
  | 'reset'
  | 'effects'
  /** A partition waited for something outside. */
  | 'paused'
  /** A transaction of an inbox was repeated in place. */
  | 'transactionRepeated'
  /** The answer to a commit of an inbox was lost, and its mark has proven it. */
  | 'commitFoundByMark'
  /** A second effect, because a process was killed between the first one and its mark. */
  | 'doubledByKill'
  /** A second effect, because the store had forgotten the mark, or the lease, of the first. */
  | 'doubledByLoss'
  | OutboxCounterName

/** Counts. */
export function countEvents(history: IndexedHistory): Counters {
  const counters: Counters = {
    rebalanceWithWorkInFlight: 0,
    refusedStaleCommit: 0,
    refusedStaleWork: 0,
    dedupeHit: 0,
    parkAfterCrash: 0,
    produceInfo: 0,
    zombieEffectBlocked: 0,
    redelivered: 0,
    retried: 0,
    parked: 0,
    reset: 0,
    effects: 0,
    paused: 0,
    transactionRepeated: 0,
    commitFoundByMark: 0,
    doubledByKill: 0,
    doubledByLoss: 0,
    ...countOutbox(history),
  }
  for (const event of history.events) {
    if (event.f !== 'store') continue
    if ((event.tries ?? 1) > 1) counters.transactionRepeated += 1
    if (event.result === 'own') counters.commitFoundByMark += 1
  }
  for (const { outcome } of history.byValue.values()) if (outcome === 'info') counters.produceInfo += 1
  for (const group of history.groups) {
    counters.effects += group.effects.length
    if (group.expected.effects === 'once-but-for-windows') {
      for (const { why } of doublesOf(history, group)) {
        if (why === 'killed') counters.doubledByKill += 1
        if (why === 'forgotten') counters.doubledByLoss += 1
      }
    }
    for (const story of group.partitions.values()) countPartition(history, story, counters)
  }
  return counters
}

/** The counters that have to be above 0 and are not: the run has proven nothing about what they stand for. */
export function checkVacuity(counters: Counters, required: readonly CounterName[]): readonly CounterName[] {
  return required.filter((name) => counters[name] === 0)
}

/** By a broker or by us, because the assignment is over. */
const STALE_CODES: ReadonlySet<string> = new Set([
  'HOLDFAST_EPOCH_LOST',
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
  'REBALANCE_IN_PROGRESS',
  'FENCED_INSTANCE_ID',
  'STALE_MEMBER_EPOCH',
])

function countPartition({ processes }: IndexedHistory, { group, events }: PartitionStory, counters: Counters): void {
  const owners = createOwners()
  const running = new Map<string, Set<bigint>>() // by process
  const begun = new Map<bigint, Set<string>>() // who has begun each record
  const handledAs = new Set<string>()
  events.forEach((event, place) => {
    owners.follow(event, place)
    switch (event.f) {
      case 'handler-begin': {
        const others = begun.get(event.offset) ?? new Set()
        if (event.attempt === 1 && others.size > 0) counters.redelivered += 1
        begun.set(event.offset, others.add(event.proc))
        running.set(event.proc, (running.get(event.proc) ?? new Set()).add(event.offset))
        break
      }
      case 'handler-end':
        running.get(event.proc)?.delete(event.offset)
        if (event.result === 'duplicate') handledAs.add(`${event.proc} ${event.offset}`)
        if (owners.isZombie(event.proc) && isSomebodyElses(group, event)) counters.zombieEffectBlocked += 1
        break
      case 'revoke':
      case 'lost':
        if ((running.get(event.proc)?.size ?? 0) > 0 || (event.inFlight ?? 0) > 0)
          counters.rebalanceWithWorkInFlight += 1
        break
      case 'commit-fail':
        if (STALE_CODES.has(event.code) || owners.of(event.proc)?.epoch !== event.epoch)
          counters.refusedStaleCommit += 1
        break
      case 'refused':
        if (event.operation !== 'commit') counters.refusedStaleWork += 1 // commits are told of as such
        break
      case 'dedupe':
        if (event.hit) handledAs.add(`${event.proc} ${event.offset}`)
        break
      case 'park': {
        counters.parked += 1
        const died = (proc: string): boolean =>
          proc !== event.proc && wasKilled(processes.get(proc)) && processes.get(proc)!.stoppedAt! <= event.t
        if (Array.from(begun.get(event.offset) ?? []).some(died)) counters.parkAfterCrash += 1
        break
      }
      case 'retry':
        counters.retried += 1
        break
      case 'paused':
        counters.paused += 1
        break
      case 'reset':
        counters.reset += 1
        break
      default:
    }
  })
  counters.dedupeHit += handledAs.size
  for (const [proc, calls] of running) {
    if (calls.size > 0 && wasKilled(processes.get(proc))) counters.rebalanceWithWorkInFlight += 1
  }
}

function isSomebodyElses(
  { expected, effectsByValue }: PartitionStory['group'],
  { value, proc }: { readonly value: string; readonly proc: string },
): boolean {
  const effects = effectsByValue.get(value)
  return expected.effects === 'exactly-once' && effects !== undefined && effects.every((effect) => effect.proc !== proc)
}
