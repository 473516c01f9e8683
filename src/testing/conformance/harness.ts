import type { Runtime } from '../../clock/index.ts'
import type { Capabilities, Driver } from '../../driver/index.ts'
import type { Position } from '../../record/index.ts'

/** The two functions of a test runner that a suite needs; vitest's, Jest's and node:test's fit. */
export interface TestRunner {
  readonly describe: (name: string, body: () => void) => void
  readonly test: (name: string, body: () => Promise<void>) => void
}

/** Things that only a test does to a cluster; not every cluster can have all of them done to it. */
export interface ClusterFaults {
  /** Drops what stands below, as retention does. */
  deleteRecordsBefore(position: Position): Promise<void>
  /** Makes the partition go on at this offset. */
  skipOffsetsTo(position: Position): Promise<void>
  addPartitions(topic: string, count: number): Promise<void>
  /** Ends the sessions of the members of a group, or of those of one client, without telling them. */
  expireSessions(groupId: string, clientId?: string): Promise<void>
  /** Deletes a topic; resolves when the cluster says that there is none, and one of its name can be made. */
  deleteTopic(topic: string): Promise<void>
  /** Compacts a topic that was made for it; resolves when it is. The last record of each partition may be left out. */
  compact(topic: string): Promise<void>
  /** Loses the answers to the next produce requests to a topic, on their way to whichever client: the records have been written. */
  loseNextProduceAnswers(topic: string, count: number): Promise<void>
  /** Makes the coordinator of a group load what it has stored, until it is told to end. */
  coordinatorLoading(groupId: string, on: boolean): Promise<void>
  /** Makes the consumers of a group end by themselves. */
  crashConsumers(groupId: string): Promise<void>
}

/** Which faults a cluster can have done to it: `true`, or the reason why not. All are named, so that none is left out unseen. */
export type TestableFaults = Readonly<Record<keyof ClusterFaults, true | string>>

/** What one test of the suite works with: a driver, on a cluster that other tests may use too. */
export interface DriverWorld {
  readonly driver: Driver
  /** The same driver in "another process", with another client id. */
  readonly otherDriver: Driver
  readonly runtime: Runtime
  /** Makes a topic nobody else uses, with Kafka's own settings; resolves when it can be written. */
  topic(partitions: number, settings?: Readonly<Record<string, string>>): Promise<string>
  /** A group id, or transactional id, nobody else uses. */
  group(): string
  /** Those that are `true` in {@link DriverConformanceOptions.faults}. */
  readonly faults: Partial<ClusterFaults>
  /** Moves virtual time until the work settles; absent where time is real. */
  readonly run?: <T>(work: Promise<T>) => Promise<T>
  close(): Promise<void>
}

/** What a driver hands to the suite. */
export interface DriverConformanceOptions extends TestRunner {
  /** Heads the tests. */
  readonly name: string
  /** The driver's claim; each flag is held against the truth, in both directions where there are two. */
  readonly capabilities: Capabilities
  /** What {@link DriverWorld.faults} has; tests that need what it has not are reported as `untestable`, and not registered. */
  readonly faults: TestableFaults
  create(): Promise<DriverWorld>
  /**
   * What a rebalance of its groups takes from a member: all it has, or with `cooperative` what goes to another member and nothing else.
   * Promises about the other way are reported as `untestable`.
   *
   * @defaultValue `'eager'`
   */
  readonly rebalance?: 'eager' | 'cooperative'
  /**
   * How long one wait of a test may take, in milliseconds of the world's clock.
   *
   * @defaultValue `60_000`
   */
  readonly boundMs?: number
}

/** What became of one promise of the driver port; see {@link ConformanceOutcome}. */
export interface ConformanceResult {
  /** What it is about: `committing`. */
  readonly subject: string
  readonly promise: string
  readonly outcome: ConformanceOutcome
}

/**
 * `open` until its test has run, then `kept` or `broken`. The other two have no test: a driver that does not claim `flag` (or,
 * `claimed` being true, claims it and is held to the opposite promise), and a cluster that cannot be made to do it, for this
 * reason.
 */
export type ConformanceOutcome =
  | { readonly kind: 'open' }
  | { readonly kind: 'kept' }
  | { readonly kind: 'broken'; readonly error: unknown }
  | { readonly kind: 'otherwise'; readonly flag: keyof Capabilities; readonly claimed: boolean }
  | { readonly kind: 'untestable'; readonly reason: string }
