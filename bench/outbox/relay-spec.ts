/** What a relaying process is told. */
export type RelaySpec = HoldfastSpec | NaiveSpec | PeerSpec

/** Where its rows lie, and where they go. */
export interface Places {
  /** A database of its own: what holds up vacuum in one does not in another. */
  readonly url: string
  readonly brokers: readonly string[]
  readonly topic: string
}

/** Holdfast's own. */
export interface HoldfastSpec extends Places {
  readonly side: 'holdfast'
  /** Sends in transactions of Kafka. */
  readonly transactionalIdPrefix?: string
  /** Also listens for notifications of commits. */
  readonly listen?: boolean
  /** What `published` is told of. @defaultValue `'marks'` */
  readonly tells?: 'marks' | 'acknowledgements'
}

/** Select 500, send 500, delete: on bare kafkajs. */
export interface NaiveSpec extends Places {
  readonly side: 'naive'
  /** Do its records carry headers as Holdfast's do? */
  readonly headers: boolean
}

/** `pg-transactional-outbox`, with one of its listeners. */
export interface PeerSpec extends Places {
  readonly side: 'polling' | 'replication'
}

/** One that is ready to relay. */
export interface RunningRelay {
  /** There are rows: so many. A relay that finds out by itself need not listen. */
  go(rows: number): void
  close(): Promise<void>
}

/**
 * Starts one. `published` is told how many rows more Kafka has acknowledged that are also marked, `holds` how many buckets a worker has, where
 * there are any.
 */
export type StartRelay<Spec extends RelaySpec> = (
  spec: Spec,
  published: (rows: number) => void,
  holds: (buckets: number) => void,
) => Promise<RunningRelay>
