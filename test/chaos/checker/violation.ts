/** One thing that must not be, and where it was seen. */
export interface Violation {
  /** What it is, in a few words with dashes; counted by this. */
  readonly type: string
  /** A sentence for a human. Names values and keys of the run, never payloads. */
  readonly text: string
  /** Microseconds, as the events have. */
  readonly at?: number
  readonly group?: string
  readonly topic?: string
  readonly partition?: number
  readonly offset?: bigint
  readonly proc?: string
  /** The heavier, the sooner it is shown. @defaultValue 1 */
  readonly weight?: number
}

/** Takes note of one. */
export type Report = (violation: Violation) => void
