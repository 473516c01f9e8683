/** What the demo did to one process of a service, on the database's clock. */
export type Incident =
  | { readonly kind: 'killed'; readonly service: string; readonly process: number; readonly atMs: number }
  | {
      readonly kind: 'stopped'
      readonly service: string
      readonly process: number
      readonly fromMs: number
      readonly untilMs: number
    }

/** Work by some process at some time. */
interface Work {
  readonly service: string
  readonly process: number
  readonly atMs: number
}

/**
 * What was finished for so long may not be committed yet: a commit interval (0.1 s) and a round trip, on a machine that is busy. And what
 * a process that wakes up had under way (one transaction of each handler) ends within that time.
 */
const GRACE_MS = 3_000

/**
 * Which incident explains that these were done for one and the same record: one of them was under way, or done and not committed yet,
 * when its process was killed or stopped, and another process had to do it again.
 */
export function causeOf(work: readonly Work[], incidents: readonly Incident[]): Incident['kind'] | null {
  const explains = (incident: Incident): boolean => {
    const [fromMs, untilMs] =
      incident.kind === 'killed' ? [incident.atMs, incident.atMs] : [incident.fromMs, incident.untilMs]
    return work.some(
      ({ service, process, atMs }) =>
        service === incident.service &&
        process === incident.process &&
        atMs >= fromMs - GRACE_MS &&
        atMs <= untilMs + GRACE_MS &&
        work.some((other) => other.process !== process),
    )
  }
  return incidents.find(explains)?.kind ?? null
}
