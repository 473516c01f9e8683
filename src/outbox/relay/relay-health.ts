import type { OutboxStatistics } from '../relay-store.ts'
import type { RelayHealth } from './relay.ts'
import type { Trouble } from './trouble.ts'

/** What a relay's health is judged by. */
export interface RelayFacts {
  readonly state: RelayHealth['state']
  readonly worker: string
  readonly buckets: readonly number[]
  readonly underWay: number
  readonly published: number
  readonly outbox: OutboxStatistics | null
  /** What may fail, by what it is called. */
  readonly troubles: Iterable<readonly [what: string, Trouble]>
  /** Now, on the monotonic clock. */
  readonly now: number
}

/** What fails for a moment is everyday; after this long somebody should look. */
const TROUBLE_MS = 10_000

/** Judges. Healthy is: running, and nothing has failed for long. Parked rows are for operators, not for whoever starts processes anew. */
export function judgeRelay({ troubles, now, ...facts }: RelayFacts): RelayHealth {
  const reasons: string[] = []
  if (facts.state !== 'running') reasons.push(`the relay is ${facts.state}`)
  for (const [what, trouble] of troubles) {
    const since = trouble.now
    if (since === null || now - since.since < TROUBLE_MS) continue
    reasons.push(`${what} has failed for ${Math.round((now - since.since) / 1_000)} s (${since.code})`)
  }
  return { ...facts, status: reasons.length === 0 ? 'healthy' : 'unhealthy', reasons }
}
