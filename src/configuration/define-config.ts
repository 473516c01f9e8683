import type { Consumer } from '../consumer/index.ts'
import type { Driver } from '../driver/index.ts'
import type { Relay } from '../outbox/index.ts'

/** What `holdfast.config.mjs` exports as its default: what the `holdfast` command works on. */
export interface HoldfastConfig {
  /**
   * The service's consumers, with their topics and not started; or a function that makes them, which only the commands call that need them. Loading
   * the file must start nothing: export what `createConsumer` gives, and start it elsewhere.
   */
  readonly consumers?: readonly Consumer[] | (() => readonly Consumer[] | Promise<readonly Consumer[]>)
  /** How commands that read or write topics reach Kafka: `kafkajsDriver(…)`. `--brokers` comes before it. */
  readonly driver?: Driver
  /** What `holdfast outbox relay` runs: what `createRelay` gives, not started, or a function that makes it, which that command alone calls. */
  readonly relay?: Relay | (() => Relay | Promise<Relay>)
  readonly postgres?: PostgresConfig
}

/** The database of stores, inboxes and the outbox. */
export interface PostgresConfig {
  /** `postgres://user:password@host:port/database`. `DATABASE_URL` and `--database-url` come before it. */
  readonly url?: string
  /** As in `postgresDedupeSql`. @defaultValue `public` */
  readonly schema?: string
  /** As in `postgresDedupeSql`. @defaultValue `holdfast_dedupe` */
  readonly table?: string
  /** The outbox of the service, in the same schema; `{}` says that there is one. @defaultValue none */
  readonly outbox?: OutboxConfig
}

/** The tables of an outbox. */
export interface OutboxConfig {
  /** As in `postgresOutboxSql`. @defaultValue `holdfast_outbox` */
  readonly table?: string
  /** As in `postgresOutboxSql`: also the table of rows that were sent. @defaultValue `false` */
  readonly keepSent?: boolean
}

/** Gives its argument back, typed: for the default export of a configuration file. What is wrong with it the command tells, all at once. */
export function defineConfig(config: HoldfastConfig): HoldfastConfig {
  return config
}
