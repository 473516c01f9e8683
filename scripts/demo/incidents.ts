import { groupBy } from './group-by.ts'

/** What the demo did to one process of a service, on the database's clock. */
export type Incident = {
  readonly service: string
  readonly process: number
  /** How many records it may have had in handlers. */
  readonly mostInHandlers: number
} & (
  | { readonly kind: 'killed'; readonly atMs: number }
  | { readonly kind: 'stopped'; readonly fromMs: number; readonly untilMs: number }
)

/** Work by some process at some time. */
export interface Work {
  readonly service: string
  readonly process: number
  readonly atMs: number
}

/** Between an effect and its commit stands a send; on a machine that is busy with something else that takes seconds. */
const GRACE_MS = 15_000

/** What has finished waits so long for its commit: the commit interval (0.1 s), and a fetch (0.5 s) that its request may stand behind. */
const UNCOMMITTED_MS = 600

/** Says why the same was done several times. */
export interface Explanations {
  /**
   * The incident that explains that these were done for one and the same record: one of them was under way, or done and not committed
   * yet, when its process was killed or stopped, and another process did it too.
   *
   * No incident explains more than can have been so: as many as were in handlers, and the most that the process had done before in the
   * time that a commit takes.
   */
  causeOf(work: readonly Work[]): Incident['kind'] | null
  /** As `causeOf`, for dead letters, which tell when but not by which process they were written. What was explained so far counts. */
  causeOfLetters(service: string, timesMs: readonly number[]): Incident['kind'] | null
}

/** Makes {@link Explanations} from what the demo did, and all that the services have done. */
export function createExplanations(incidents: readonly Incident[], effects: readonly Work[]): Explanations {
  const byProcess = groupBy(effects, processOf)
  const left = new Map(
    incidents.map((each) => [each, each.mostInHandlers + mostFinished(each, byProcess.get(processOf(each)) ?? [])]),
  )
  const firstThat = (explains: (incident: Incident) => boolean): Incident['kind'] | null => {
    const incident = incidents.find((each) => left.get(each)! > 0 && explains(each))
    if (incident === undefined) return null
    left.set(incident, left.get(incident)! - 1)
    return incident.kind
  }
  return {
    causeOf: (work) => firstThat((incident) => explainsWork(incident, work)),
    causeOfLetters: (service, timesMs) =>
      firstThat((incident) => incident.service === service && explainsLetters(incident, timesMs)),
  }
}

function explainsWork(incident: Incident, work: readonly Work[]): boolean {
  return work.some(
    (each) =>
      processOf(each) === processOf(incident) &&
      isUnderWay(incident, each.atMs) &&
      work.some((other) => other.process !== each.process),
  )
}

/** Written by the process shortly before, and again by its successor. */
function explainsLetters(incident: Incident, timesMs: readonly number[]): boolean {
  return timesMs.some((atMs) => isUnderWay(incident, atMs)) && timesMs.some((atMs) => atMs > beginOf(incident))
}

function isUnderWay(incident: Incident, atMs: number): boolean {
  const untilMs = incident.kind === 'killed' ? incident.atMs : incident.untilMs
  return atMs >= beginOf(incident) - GRACE_MS && atMs <= untilMs
}

/** The most that it has done within {@link UNCOMMITTED_MS}, in the time before the incident. */
function mostFinished(incident: Incident, work: readonly Work[]): number {
  const begin = beginOf(incident)
  const times = work.map(({ atMs }) => atMs).filter((atMs) => atMs >= begin - GRACE_MS && atMs <= begin)
  return Math.max(0, ...times.map((first) => times.filter((t) => t >= first && t < first + UNCOMMITTED_MS).length))
}

function beginOf(incident: Incident): number {
  return incident.kind === 'killed' ? incident.atMs : incident.fromMs
}

function processOf({ service, process }: Pick<Work, 'service' | 'process'>): string {
  return `${service} ${process}`
}
