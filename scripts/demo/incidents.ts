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
export interface Work {
  readonly service: string
  readonly process: number
  readonly atMs: number
}

/** Between an effect and its commit stands a send; on a machine that is busy with something else that takes seconds. */
const GRACE_MS = 15_000

/** No more than this is in handlers, or finished within the last commit interval (0.1 s). */
const MOST_UNDER_WAY = 64

/** Says why the same was done several times. */
export interface Explanations {
  /**
   * The incident that explains that these were done for one and the same record: one of them was under way, or done and not committed
   * yet, when its process was killed or stopped, and another process did it too. No incident explains more than can have been under way.
   */
  causeOf(work: readonly Work[]): Incident['kind'] | null
}

/** Makes {@link Explanations} from what the demo did. */
export function createExplanations(incidents: readonly Incident[]): Explanations {
  const explained = new Map<Incident, number>()
  return {
    causeOf(work) {
      const incident = incidents.find((each) => (explained.get(each) ?? 0) < MOST_UNDER_WAY && explains(each, work))
      if (incident === undefined) return null
      explained.set(incident, (explained.get(incident) ?? 0) + 1)
      return incident.kind
    },
  }
}

function explains(incident: Incident, work: readonly Work[]): boolean {
  const fromMs = (incident.kind === 'killed' ? incident.atMs : incident.fromMs) - GRACE_MS
  const untilMs = incident.kind === 'killed' ? incident.atMs : incident.untilMs
  return work.some(
    ({ service, process, atMs }) =>
      service === incident.service &&
      process === incident.process &&
      atMs >= fromMs &&
      atMs <= untilMs &&
      work.some((other) => other.process !== process),
  )
}
