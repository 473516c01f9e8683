import type { ConsumerOptions, SubscriptionOptions } from '../../../src/consumer/index.ts'
import type { RelayOptions } from '../../../src/outbox/index.ts'
import type { Isolation } from '../../../src/postgres.ts'
import type { Contention } from './contention.ts'
import type { FateShares } from './fates.ts'

/** What a worker is told when it starts. */
export type WorkerConfig = ProducerConfig | ConsumerConfig | EnqueuerConfig | RelayConfig

/** What all roles are told. */
export interface CommonConfig {
  /** With the incarnation, `consumer-1#3`. Names the journal and the Kafka client. */
  readonly proc: string
  /** Folder of the journals. */
  readonly history: string
  /** Seed of the run: fates and choices follow from it. */
  readonly seed: number
  readonly driver: string
  readonly brokers: readonly string[]
  readonly topic: string
  /** Kills itself with SIGKILL at the failpoint's passing: `process:handled#120`. */
  readonly dieAt?: string
  /** A file that says by how many milliseconds its wall clock is off. */
  readonly wallClock?: string
}

/** A process that sends. */
export interface ProducerConfig extends CommonConfig {
  readonly role: 'producer'
  readonly ratePerSecond: number
  readonly keys: number
  readonly deliveryTimeoutMs: number
  /** Text of this length comes with every message. */
  readonly padBytes: number
  /** Each n-th message is of this length instead. */
  readonly oversized?: { readonly every: number; readonly bytes: number }
  /** Sends in transactions, of which a share is rolled back. */
  readonly transactions?: {
    readonly transactionalId: string
    readonly size: number
    readonly abortShare: number
    /** Between the last send and the end. @defaultValue 0 */
    readonly holdMs?: number
    readonly timeoutMs: number
  }
  /** In every payload, and nowhere else. */
  readonly canary: string
}

/** A member of the group. */
export interface ConsumerConfig extends CommonConfig {
  readonly role: 'consumer'
  readonly group: string
  readonly databaseUrl: string
  /** `marked`: effect and a mark of the handler's own are one statement, an effect cannot double. `plain`: a repeated call is a second effect. */
  readonly effects: 'marked' | 'plain'
  readonly dedupe: DedupeConfig
  readonly handlerMs: number
  readonly fates: FateShares
  readonly accident?: Accident
  /** Asks the database at each call whether what the handler needs is out. */
  readonly dependsOnDownstream: boolean
  readonly consumer: ConsumerTuning
  readonly subscription: Pick<SubscriptionOptions, 'ordering' | 'handlerTimeoutMs' | 'retry'>
}

/** A process that writes its database, and through an outbox in it to Kafka. */
export interface EnqueuerConfig extends CommonConfig {
  readonly role: 'enqueuer'
  readonly outbox: OutboxPlace
  /** Of transactions. */
  readonly ratePerSecond: number
  readonly keys: number
  readonly padBytes: number
  /** Transactions side by side. */
  readonly lanes: number
  readonly shares: TransactionShares
  /** In every payload, and nowhere else. */
  readonly canary: string
}

/** A worker that sends what the outbox holds. */
export interface RelayConfig extends CommonConfig {
  readonly role: 'relay'
  readonly outbox: OutboxPlace
  readonly relay: RelayTuning
  /** Stops itself at the failpoint's passing, as `dieAt` kills: somebody else has to let it go on. */
  readonly standAt?: string
}

/** Where the outbox lies, and whether its commits are told. */
export interface OutboxPlace {
  readonly url: string
  readonly notify: boolean
}

/** What of a relay's options a scenario may choose. */
export type RelayTuning = Pick<
  RelayOptions,
  'leaseMs' | 'deliveryTimeoutMs' | 'idleIntervalMs' | 'sweepIntervalMs' | 'transactionalIdPrefix' | 'maxBatchRecords'
>

/** Of a thousand transactions; the others are short, and commit. */
export interface TransactionShares {
  readonly 'rolled-back': number
  /** A part is rolled back to a savepoint. */
  readonly 'part-rolled-back': number
  /** Stays open for one to three seconds before it commits. */
  readonly held: number
  /** Many messages in one call, some of a key. */
  readonly many: number
  /** More keys in one call than there are locks for: buckets are locked. */
  readonly wide: number
  /** Enqueues keys one by one in any order, so that two of them may end in a deadlock. */
  readonly crossed: number
}

/** By what a member recognises duplicates. With an inbox, effects are written through `context.tx`, into the inbox' own database. */
export type DedupeConfig =
  | { readonly kind: 'none' | 'memory' }
  | { readonly kind: 'redis' | 'postgres'; readonly url: string; readonly leaseMs: number }
  | {
      readonly kind: 'inbox'
      readonly url: string
      readonly isolation?: Isolation
      /** What handlers do to each other. @defaultValue nothing */
      readonly contention?: Contention
    }

/** What of a consumer's options a scenario may choose. */
export type ConsumerTuning = Pick<
  ConsumerOptions,
  | 'concurrency'
  | 'sessionTimeoutMs'
  | 'heartbeatIntervalMs'
  | 'rebalanceTimeoutMs'
  | 'drainTimeoutMs'
  | 'commitIntervalMs'
  | 'maxBufferedRecords'
  | 'onOutOfRange'
>

/** Happens once, in the n-th call of the handler: the event loop is blocked, or the call outlives its time. */
export interface Accident {
  readonly kind: 'block' | 'hang'
  readonly call: number
  readonly ms: number
}

/** The variable of the environment that carries it: arguments could be read by anybody on the host, and it names a database. */
export const CONFIG_VARIABLE = 'HOLDFAST_CHAOS_WORKER'

/** @throws Error when the variable is missing: nobody starts a worker by hand. */
export function readWorkerConfig(environment: NodeJS.ProcessEnv): WorkerConfig {
  const text = environment[CONFIG_VARIABLE]
  if (text === undefined) throw new Error(`${CONFIG_VARIABLE} is not set: workers are started by the machine`)
  return JSON.parse(text) as WorkerConfig
}
