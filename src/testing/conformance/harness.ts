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
  /** Ends the sessions of all members of a group without telling them. */
  expireSessions(groupId: string): Promise<void>
  /** Makes the consumers of a group end by themselves. */
  crashConsumers(groupId: string): Promise<void>
}

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
  /** Those of {@link DriverConformanceOptions.faults}. */
  readonly faults?: Partial<ClusterFaults>
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
  /** The faults that {@link DriverWorld.faults} has; the tests that need another are not registered. */
  readonly faults?: readonly (keyof ClusterFaults)[]
  create(): Promise<DriverWorld>
  /**
   * How long one test may take, in milliseconds of the world's clock.
   *
   * @defaultValue `60_000`
   */
  readonly boundMs?: number
}
