import { formatPartition } from '../../../src/record/index.ts'
import type { EventOf } from '../history/index.ts'
import type { GroupStory, IndexedHistory, PartitionEvent } from './index-history.ts'
import { wasKilled } from './process-stories.ts'
import type { Effect } from './run-data.ts'

/** An effect that came again. */
export interface Double {
  readonly value: string
  readonly first: Effect
  readonly second: Effect
  /** When the call began that had the second one. */
  readonly at: number
  /**
   * `killed`: the process of the first one died before it was told that its mark is kept. `forgotten`: the store lost the mark, or the lease,
   * before the second call began. `interrupted`: the partition was taken from the first one before its mark. `failed`: its handler failed after
   * its effect. `marked`: the store had acknowledged the mark, and has lost nothing. `nothing` of all these.
   */
  readonly why: 'killed' | 'forgotten' | 'interrupted' | 'failed' | 'marked' | 'nothing'
}

/** A call of the handler that may have had an effect. */
interface Call {
  readonly proc: string
  readonly beganAt: number
  hasFailed: boolean
}

/** Every second effect of a message in a group whose effects and marks are two writes, and what explains it. */
export function doublesOf(history: IndexedHistory, group: GroupStory): readonly Double[] {
  const doubles: Double[] = []
  const losses = history.events.filter((event) => event.f === 'store-loss')
  for (const [value, effects] of group.effectsByValue) {
    if (effects.length < 2) continue
    const events = group.partitions.get(formatPartition(effects[0]!))?.events ?? []
    const calls = callsOf(value, events)
    for (let n = 1; n < effects.length; n++) {
      const [first, second] = [effects[n - 1]!, effects[n]!]
      const [firstCall, secondCall] = [callOf(effects, n - 1, calls), callOf(effects, n, calls)]
      const at = secondCall?.beganAt ?? Infinity
      const why = firstCall === undefined ? 'nothing' : reasonFor(history, group, losses, value, firstCall, at, events)
      doubles.push({ value, first, second, at, why })
    }
  }
  return doubles
}

function callsOf(value: string, events: readonly PartitionEvent[]): readonly Call[] {
  const calls: Call[] = []
  for (const event of events) {
    if (event.f === 'handler-begin' && event.value === value)
      calls.push({ proc: event.proc, beganAt: event.t, hasFailed: false })
    if (event.f !== 'handler-end' || event.value !== value || event.result !== 'failed') continue
    const own = calls.findLast(({ proc }) => proc === event.proc)
    if (own !== undefined) own.hasFailed = true
  }
  return calls
}

/** The journals do not say which call had which row: of one process's calls the last ones had its rows, since only those before them can have had none. */
function callOf(effects: readonly Effect[], n: number, calls: readonly Call[]): Call | undefined {
  const { proc } = effects[n]!
  const later = effects.slice(n + 1).filter((effect) => effect.proc === proc).length
  const own = calls.filter((call) => call.proc === proc)
  return own.at(-1 - later) ?? own[0]
}

function reasonFor(
  { processes }: IndexedHistory,
  { marks }: GroupStory,
  losses: readonly EventOf<'store-loss'>[],
  value: string,
  first: Call,
  secondAt: number,
  events: readonly PartitionEvent[],
): Double['why'] {
  const isBetween = (t: number, from: number): boolean => from < t && t < secondAt
  const mark = marks.get(value)?.find(({ proc, t }) => proc === first.proc && isBetween(t, first.beganAt))
  if (mark !== undefined) {
    const isLost = losses.some(({ t, since = 0 }) => isBetween(t, mark.t) && mark.t >= since)
    return isLost ? 'forgotten' : 'marked'
  }
  const process = processes.get(first.proc)
  if (wasKilled(process) && isBetween(process!.stoppedAt!, first.beganAt)) return 'killed'
  if (losses.some(({ t }) => isBetween(t, first.beganAt))) return 'forgotten'
  if (first.hasFailed) return 'failed'
  const isTaken = events.some(
    (event) =>
      (event.f === 'lost' || event.f === 'revoke') && event.proc === first.proc && isBetween(event.t, first.beganAt),
  )
  return isTaken ? 'interrupted' : 'nothing'
}
