import type { Runtime } from '../clock/index.ts'
import type { Driver } from '../driver/index.ts'
import type { Logger } from '../logger/index.ts'
import type { Position, TopicPartition } from '../record/index.ts'
import type { Telemetry } from '../telemetry/index.ts'

/** How a consumer is made. */
export interface ConsumerOptions {
  readonly driver: Driver
  /** The consumer group: 1 to 249 characters. */
  readonly groupId: string
  /**
   * Where a partition begins for which the group has no commit.
   *
   * @defaultValue `'earliest'`
   */
  readonly startAt?: 'earliest' | 'latest' | Date
  /**
   * How many messages may be in handlers at a time, of all topics together. One that waits, for its next attempt or for a dependency,
   * is not among them, nor is a call that has timed out. An integer of 1 to 10,000.
   *
   * @defaultValue `64`
   */
  readonly concurrency?: number
  /**
   * Without a heartbeat for this long the broker gives the partitions to others. An integer of 1,000 to 1,800,000 ms; the broker has
   * bounds of its own (`group.min.session.timeout.ms`, 6,000 unless told otherwise, and `group.max.session.timeout.ms`).
   *
   * @defaultValue `30_000`, kafkajs' own
   */
  readonly sessionTimeoutMs?: number
  /**
   * How long a rebalance waits for this member; what it drains and commits later is refused. An integer of 1,000 to 2,147,483,647 ms, and at
   * least `drainTimeoutMs` + `heartbeatIntervalMs` + 500 for a fetch + 5,000 for the last commit. `onRevoked` gets what is left beyond that;
   * where nothing is left it is refused.
   *
   * @defaultValue `60_000`, kafkajs' own
   */
  readonly rebalanceTimeoutMs?: number
  /**
   * How often the group hears from this member. An integer of 1 ms or more, and less than `sessionTimeoutMs`; a third of that or less lets
   * a heartbeat get lost without harm.
   *
   * @defaultValue `3_000`, kafkajs' own
   */
  readonly heartbeatIntervalMs?: number
  /**
   * How long a close, or a partition that goes, waits for handlers under way before it aborts their signals. An integer of 0 to
   * 2,147,483,647 ms; `rebalanceTimeoutMs` must leave room for it.
   *
   * @defaultValue `10_000`
   */
  readonly drainTimeoutMs?: number
  /**
   * How long what is finished may wait to be committed while more comes: what a crash then repeats. An integer of 0 to 60,000 ms.
   * The first record after a quiet time is committed at once, and 5,000 records never wait.
   *
   * @defaultValue `100`
   */
  readonly commitIntervalMs?: number
  /**
   * Records held in memory, in bytes of keys, values and headers. Each partition may hold its share of it (and 10,000 records); one
   * that holds more is fetched again when half is worked off. What one fetch brings can stand above it, once for each partition.
   * An integer of 1 or more.
   *
   * @defaultValue 64 MiB
   */
  readonly maxBufferedBytes?: number
  /**
   * Records held in memory, shared among the partitions in the same way; one partition holds 10,000 at most. An integer of 1 or more.
   *
   * @defaultValue 20,000, or four times `concurrency` where that is more
   */
  readonly maxBufferedRecords?: number
  /**
   * How far behind the group may fall, in milliseconds: the longest outage or backlog that you mean to get through. It limits nothing; it
   * says how late a duplicate may come, and so how long dedupe stores and inboxes have to remember. An integer of 0 or more.
   *
   * @defaultValue `3_600_000`, an hour
   */
  readonly maxLagMs?: number
  /**
   * How old a record may be that is handled once more because somebody replays it or sets the group back, in milliseconds: counts like
   * {@link maxLagMs}. An integer of 0 or more.
   *
   * @defaultValue `0`: nobody does
   */
  readonly replayWindowMs?: number
  /**
   * What becomes of a partition whose position is not on the log any more: retention was faster than the group, or the log was made
   * anew. `fail`: it waits, its commit stays as it is, and health names the range that is gone, after a restart too, until somebody calls
   * `seek`. `earliest` and `latest`: it goes on there; the range that is passed over is logged and an event.
   *
   * @defaultValue `'fail'`
   */
  readonly onOutOfRange?: 'fail' | 'earliest' | 'latest'
  /**
   * Called when partitions have come, with where each starts; awaited before any of their records is dispatched: to load the state that
   * belongs to them, or to `seek` to where that ends. It is called again, with growing waits, until it succeeds; its
   * partitions wait, and health says so.
   */
  readonly onAssigned?: (partitions: readonly Position[], context: RebalanceContext) => Promise<void> | void
  /**
   * Called when partitions go, after their handlers have ended and what is finished is committed, and awaited before the group may
   * give them to others, in a close as well: to store their state. Partitions whose `onAssigned` has not succeeded are not among them:
   * there is nothing to store. It may take what `rebalanceTimeoutMs` has beyond its least, 41,500 ms with the defaults; then its signal
   * aborts, and the partitions go. When it throws, that is logged.
   */
  readonly onRevoked?: (partitions: readonly Position[], context: RebalanceContext) => Promise<void> | void
  /**
   * Called when partitions were lost: they may be somebody else's already, and their state here is to be thrown away. Awaited before a
   * later `onAssigned`; when it throws, that is logged.
   */
  readonly onLost?: (partitions: readonly TopicPartition[]) => Promise<void> | void
  /** @defaultValue silent */
  readonly logger?: Logger
  /** @defaultValue OpenTelemetry's API: nothing without an SDK */
  readonly telemetry?: Telemetry
  /** Time, chance, ids and failpoints: for virtual clocks, simulators and crash tests. @defaultValue `systemRuntime` */
  readonly runtime?: Runtime
}

/** What a hook of a rebalance is told beside the partitions. */
export interface RebalanceContext {
  /** Aborts when the partitions go on without waiting for the hook any longer. */
  readonly signal: AbortSignal
}
