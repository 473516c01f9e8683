import type { Runtime } from '../../clock/index.ts'
import type { Compression, Driver } from '../../driver/index.ts'
import type { Logger } from '../../logger/index.ts'
import type { Telemetry } from '../../telemetry/index.ts'
import type { Outbox } from '../enqueue.ts'
import type { OutboxStatistics, ParkReason } from '../relay-store.ts'

/** How a relay is made. */
export interface RelayOptions {
  /** Whose rows it sends. Of any transaction type: a relay begins none. */
  // oxlint-disable-next-line typescript/no-explicit-any -- a relay never has a transaction of the user's in its hands
  readonly outbox: Pick<Outbox<any>, 'store' | 'onEnqueued'>
  readonly driver: Driver
  /**
   * Names this worker among all that share the outbox. 1 to 200 characters, another one for each process, and never one that may still be alive.
   *
   * @defaultValue a fresh id
   */
  readonly worker?: string
  /**
   * After how long the buckets of a worker that has died, or stands still, go to others, in milliseconds. Also how long a send may be under way
   * at most: see `deliveryTimeoutMs`. 1,000 to 2^31 − 1.
   *
   * @defaultValue `30_000`
   */
  readonly leaseMs?: number
  /**
   * How long one produce may take, in milliseconds: none begins that could outlast the lease. 1 or more, and at most half of `leaseMs`.
   *
   * @defaultValue `10_000`
   */
  readonly deliveryTimeoutMs?: number
  /**
   * How often it looks when nothing wakes it, in milliseconds: how late at most a row of another process is seen. 10 or more.
   *
   * @defaultValue `1_000`
   */
  readonly idleIntervalMs?: number
  /**
   * How often it reads everything again that it holds, in milliseconds, for rows that came in no way that it knows of, such as rows that were put
   * back by hand; never so often that it took more than a tenth of the time. 10 or more.
   *
   * @defaultValue `30_000`
   */
  readonly sweepIntervalMs?: number
  /**
   * Listens for commits of other processes, where the store tells them: an outbox with `notify: true`.
   *
   * @defaultValue `false`
   */
  readonly listen?: boolean
  /**
   * Sends each bucket in transactions of its own transactional id, `<prefix>-<bucket>`: a worker that stood still can then write nothing more
   * once its bucket has gone to another one. What it costs stands in docs/figures.md. Readers must read committed records alone. Another prefix
   * for each outbox.
   *
   * @defaultValue none: a lease that outlasts the delivery timeout
   */
  readonly transactionalIdPrefix?: string
  /** The most rows in one produce request. 1 to 100,000. @defaultValue `500` */
  readonly maxBatchRecords?: number
  /** The most bytes in one produce request, before compression; a larger row goes by itself. 1 to 1 GiB. @defaultValue 1 MiB */
  readonly maxBatchBytes?: number
  /** The most rows that are read and not yet marked. 1 to 1,000,000. @defaultValue `5_000` */
  readonly maxBufferedRows?: number
  /** The most bytes of them, about. 1 to 1 TiB. @defaultValue 32 MiB */
  readonly maxBufferedBytes?: number
  /** @defaultValue `'none'` */
  readonly compression?: Compression
  /** How long a topic may be unknown before the keys of its rows are parked, in milliseconds. 0 or more. @defaultValue `30_000` */
  readonly unknownTopicGraceMs?: number
  /** @defaultValue OpenTelemetry's API */
  readonly telemetry?: Telemetry
  /** @defaultValue silent */
  readonly logger?: Logger
  /** @defaultValue `systemRuntime` */
  readonly runtime?: Runtime
}

/** How a relay fares. */
export interface RelayHealth {
  readonly status: 'healthy' | 'unhealthy'
  /** Why it is not. Empty when it is. */
  readonly reasons: readonly string[]
  readonly state: 'new' | 'running' | 'closing' | 'closed'
  readonly worker: string
  /** Buckets that it holds now. */
  readonly buckets: readonly number[]
  /** Rows in its hands: read and not yet marked. */
  readonly underWay: number
  /** Rows that Kafka has acknowledged to it since its start. */
  readonly published: number
  /** Of the whole outbox, not of this worker alone; as it was some seconds ago. Null before the first look. */
  readonly outbox: OutboxStatistics | null
}

/** What a relay tells. */
export interface RelayEvents {
  /** Kafka has these rows, and they are marked. */
  published: { readonly rows: number }
  /** Kafka has refused a row for good: it and what comes after it of its key waits for an operator. */
  parked: { readonly topic: string; readonly messageId: string; readonly reason: ParkReason }
  /** The buckets have changed. */
  buckets: { readonly held: readonly number[] }
}

/** Sends what an outbox holds. */
export interface Relay {
  /**
   * Begins. A broker that is away does not keep it from that: rows wait until it is back. A database that is away does.
   *
   * @throws HOLDFAST_CONFIG_INVALID, HOLDFAST_STORE_UNAVAILABLE, HOLDFAST_NOT_AUTHORIZED, HOLDFAST_CLOSED
   */
  start(): Promise<void>
  health(): RelayHealth
  /** @returns what ends it. */
  listen<Name extends keyof RelayEvents>(event: Name, listener: (event: RelayEvents[Name]) => void): () => void
  /** Resolves when nothing waits that could be sent now: for tests and for `holdfast outbox relay --until-empty`. */
  drained(): Promise<void>
  /** Begins nothing more, lets what is under way end, marks it, and gives its buckets back. Safe to call twice. */
  close(options?: {
    /** @defaultValue `30_000` */
    readonly timeoutMs?: number
  }): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
