/**
 * How a planned failure ends. `refused` and `unavailable` write nothing and say so; the two `indeterminate` ones lose the
 * answer, after or before the work was done: the caller cannot tell which.
 */
export type PlannedFailure = 'refused' | 'unavailable' | 'indeterminate-written' | 'indeterminate-lost'

/** Failures that a test planned, taken one by one in the order they were planned. */
export interface FailurePlan {
  readonly plan: (name: string, failure: PlannedFailure) => void
  take(name: string): PlannedFailure | undefined
}

/** Makes an empty {@link FailurePlan}. */
export function createFailurePlan(): FailurePlan {
  const planned = new Map<string, PlannedFailure[]>()
  return {
    plan: (name, failure) => void planned.set(name, [...(planned.get(name) ?? []), failure]),
    take: (name) => planned.get(name)?.shift(),
  }
}
