import type { Servers } from './consumer-spec.ts'

/** One kind of work, done by Holdfast and by what it is compared with. Each peer makes a row of the results. */
export interface Bench {
  /** Its name on the command line. Several may share it. */
  readonly name: string
  /** What is done, in words for the table. */
  readonly work: string
  /** @defaultValue `'per second'` */
  readonly unit?: Unit
  readonly peers: readonly Peer[]
  /**
   * How often all sides do the work before it counts.
   *
   * @defaultValue `3`: both sides of a send go on getting faster for about so long, by their compilers and the broker's own
   */
  readonly warmUps?: number
  /** How much of the work is enough to warm up. @defaultValue `1`: all */
  readonly warmUpShare?: number
  /** A bound whose value does not depend on luck needs fewer rounds than the command line asks for. @defaultValue no bound */
  readonly mostRounds?: number
  /** Differs by a number or an option alone from one that is measured too: a short run leaves it out. @defaultValue `false` */
  readonly variant?: boolean
  /**
   * Has the broker a core for itself, and the clients another?
   *
   * @defaultValue `true`; `false` where more than two compute: there they share the cores as they come
   */
  readonly pinned?: boolean
  /** Connects; what it returns does the work once. */
  prepare(world: BenchWorld): Promise<PreparedBench>
}

/** What Holdfast is compared with. */
export interface Peer {
  readonly name: string
  /** The ratio, ours to this, that the project wants: at least, or at most, by the {@link Unit}. Null: none, it is good to know. */
  readonly reach: number | null
}

/** What is measured. */
export type Unit =
  'per second' | 'MB per 100,000 records' | 'MiB' | 'µs of CPU per record' | 'ms' | 'queries per second'

/** What a bench runs in. */
export interface BenchWorld {
  /** PostgreSQL and Redis, started when they are first asked for. */
  servers(): Promise<Servers>
  /**
   * Another PostgreSQL, that nothing is pinned about, for benches with databases of their own. Its log is written such that replication could
   * decode it, as one of the peers needs it.
   */
  durablePostgres(): Promise<string>
  readonly brokers: string[]
  /** Divides the amount of work, for runs that only show that the bench still works. */
  readonly shorten: number
  readonly progress: (line: string) => void
  /** Makes a topic of its own. */
  topic(partitions: number): Promise<string>
  /** A topic that holds at least `count` records, the same for everyone who asks for that many partitions and keys. `plain`: as bare kafkajs writes them, without headers. */
  records(partitions: number, keys: number, count: number, plain?: boolean): Promise<string>
}

/**
 * A bench that is ready. Each call does the work once, or that share of it which is enough to warm up, and resolves with what was
 * measured, in the bench's unit.
 */
export interface PreparedBench {
  ours(share: number): Promise<number>
  /** In the order of {@link Bench.peers}. A number is a bound that needs no measuring. */
  readonly peers: ReadonlyArray<number | ((share: number) => Promise<number>)>
  close(): Promise<void>
}

/** What was measured: medians over the rounds. */
export interface BenchRow {
  readonly bench: string
  readonly work: string
  readonly unit: Unit
  readonly ours: number
  readonly peer: number
  readonly peerName: string
  readonly ratio: number
  readonly reach: number | null
  readonly reached: boolean
}
