/** One row of the results: the same work done by Holdfast and by what a user would take instead. */
export interface Bench {
  /** Its name on the command line. Several rows may share it. */
  readonly name: string
  /** What is done, in words for the table. */
  readonly work: string
  readonly peerName: string
  /** The ratio that the project wants to reach. */
  readonly reach: number
  /** Connects and warms up; what it returns does the work once. */
  prepare(world: BenchWorld): Promise<PreparedBench>
}

/** What a bench runs in. */
export interface BenchWorld {
  readonly brokers: string[]
  /** Divides the amount of work, for runs that only show that the bench still works. */
  readonly shorten: number
  /** Makes a topic of its own. */
  topic(partitions: number): Promise<string>
}

/** A bench that is ready. Each call does the work once and resolves with how much of it was done. */
export interface PreparedBench {
  ours(): Promise<number>
  peer(): Promise<number>
  close(): Promise<void>
}

/** What was measured. Rates are units of work in a second: medians over the rounds. */
export interface BenchRow {
  readonly bench: string
  readonly work: string
  readonly ours: number
  readonly peer: number
  readonly peerName: string
  readonly ratio: number
}
