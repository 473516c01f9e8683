/**
 * How a planned failure ends. `refused` and `unavailable` write nothing and say so; the two `indeterminate` ones lose the
 * answer, after or before the work was done: the caller cannot tell which.
 */
export type PlannedFailure = 'refused' | 'unavailable' | 'indeterminate-written' | 'indeterminate-lost'

/**
 * How a planned failure of a produce call ends. What is lost, a request or the answer to one, the producer sends again until its time
 * is over, under the same sequence number: it is on the log once.
 */
export type PlannedProduceFailure = PlannedFailure | 'request-lost' | 'answer-lost'

/** Failures that a test planned, taken one by one in the order they were planned. */
export interface FailurePlan<Failure = PlannedFailure> {
  readonly plan: (name: string, failure: Failure) => void
  take(name: string): Failure | undefined
}

/** Makes an empty {@link FailurePlan}. */
export function createFailurePlan<Failure = PlannedFailure>(): FailurePlan<Failure> {
  const planned = new Map<string, Failure[]>()
  return {
    plan: (name, failure) => void planned.set(name, [...(planned.get(name) ?? []), failure]),
    take: (name) => planned.get(name)?.shift(),
  }
}
