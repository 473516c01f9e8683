import type { ConsumerHealth } from './consumer.ts'
import type { Committer } from './commit.ts'
import type { OwnedPartition } from './owned-partition.ts'
import type { Watchdog } from './watchdog.ts'

/** What health is judged by. */
export interface HealthFacts {
  readonly state: ConsumerHealth['state']
  readonly owned: readonly OwnedPartition[]
  /** Since when partitions are gone and no assignment has followed; null when one has. */
  readonly unassignedSince: number | null
  /** Longer than this no rebalance takes. */
  readonly rebalanceTimeoutMs: number
  readonly heldTopics: ReadonlySet<string>
  /** The group has not confirmed the membership for longer than the session timeout. */
  readonly suspect: boolean
  readonly commitTrouble: Committer['trouble']
  /** Why the last stay in the group ended; null while there is one. */
  readonly crash: string | null
  readonly blocked: Watchdog['last']
  readonly unguarded: number
  readonly sessionTimeoutMs: number
  /** Now, on the monotonic clock. */
  readonly now: number
}

/** Commits that fail for a moment are everyday; after this long somebody should look. */
const COMMIT_TROUBLE_MS = 10_000

/** Judges. Healthy is: running, and every partition goes on, or waits because somebody has said so. */
export function judgeHealth({
  state,
  owned,
  unassignedSince,
  rebalanceTimeoutMs,
  heldTopics,
  suspect,
  commitTrouble,
  crash,
  blocked,
  unguarded,
  sessionTimeoutMs,
  now,
}: HealthFacts): ConsumerHealth {
  const reasons: string[] = []
  if (state !== 'running')
    reasons.push(crash === null ? `the consumer is ${state}` : `the consumer is ${state}: ${crash}`)
  if (suspect && owned.length > 0)
    reasons.push('the group has not answered for longer than the session timeout: nothing further is handled')
  if (unassignedSince !== null && now - unassignedSince > rebalanceTimeoutMs) {
    const seconds = Math.round((now - unassignedSince) / 1_000)
    reasons.push(`the group has taken the partitions back and assigned nothing for ${seconds} s`)
  }
  // Half a session without a heartbeat: twice as long, and the partitions are somebody else's.
  if (blocked !== null && blocked.forMs * 2 >= sessionTimeoutMs && now - blocked.at < sessionTimeoutMs)
    reasons.push(
      `the event loop stood still for ${Math.round(blocked.forMs / 1_000)} s: something computes for too long, or the process was stopped`,
    )
  for (const { epoch, loop, outOfRange, preparation } of owned) {
    if (outOfRange !== null) reasons.push(`${epoch.name}: ${outOfRange}`)
    if (preparation.waitsFor !== null) reasons.push(`${epoch.name}: ${preparation.waitsFor}`)
    const wait = epoch.wait()
    if (wait?.unhealthy) reasons.push(`${epoch.name}: ${wait.reason}`)
    const longest = loop?.longest() ?? null
    if (longest !== null && now - longest.since > longest.boundMs) {
      const seconds = Math.round((now - longest.since) / 1_000)
      reasons.push(`${longest.position} has been under way for ${seconds} s: something in it may never end`)
    }
  }
  if (commitTrouble !== null && now - commitTrouble.since >= COMMIT_TROUBLE_MS) {
    const seconds = Math.round((now - commitTrouble.since) / 1_000)
    reasons.push(`nothing could be committed for ${seconds} s (${commitTrouble.reason})`)
  }
  return {
    status: reasons.length === 0 ? 'healthy' : 'unhealthy',
    reasons,
    state,
    unguarded,
    partitions: owned.map(({ epoch, loop, outOfRange, preparation }) => ({
      topic: epoch.topic,
      partition: epoch.partition,
      watermark: epoch.tracker?.watermark() ?? null,
      buffered: loop?.records() ?? 0,
      underWay: loop?.underWay() ?? 0,
      headAgeMs: headAge(loop, now),
      pausedFor:
        outOfRange ??
        epoch.wait()?.reason ??
        preparation.waitsFor ??
        (heldTopics.has(epoch.topic) ? 'pause() was called' : null),
    })),
  }
}

function headAge(loop: OwnedPartition['loop'], now: number): number {
  const since = loop?.headSince() ?? null
  return since === null ? 0 : Math.max(0, Math.round(now - since))
}
