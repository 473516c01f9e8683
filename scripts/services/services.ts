import type { RunningKafka } from './kafka.ts'

/** Takes one line of progress, for people. */
export type Progress = (line: string) => void

/** A running database or cache. */
export interface RunningService {
  /** The address in the form its client libraries take. */
  readonly url: string
  /** Where it comes from: the name of the environment variable, or what was started. */
  readonly how: string
  /** Stops what was started; does nothing to a server that was only pointed to. Can be called again. */
  close(): Promise<void>
}

/** Which services to start. What is left out is not started. */
export interface ServicesOptions {
  readonly kafka?: KafkaOptions
  readonly postgres?: boolean
  /** `cluster`: one node that is a cluster, which clients of clusters can be tried on. */
  readonly redis?: boolean | 'cluster'
  /** @defaultValue silent */
  readonly onProgress?: Progress
  /**
   * Also stop everything when the process that started this one is gone. The servers never outlive this process in any case.
   *
   * @defaultValue `false`
   */
  readonly stopWithParent?: boolean
}

/** What the Kafka to be started must offer. */
export interface KafkaOptions {
  /** Brokers, each a controller too. @defaultValue `1` */
  readonly nodes?: 1 | 3
  /** Broker settings (`server.properties`) over the defaults. Asks for a broker of one's own. */
  readonly settings?: Readonly<Record<string, string>>
  /** Puts a {@link KafkaProxy} before each node and makes it the advertised address. Asks for brokers of one's own. */
  readonly proxied?: boolean
  /** Adds a listener with TLS to each node, with this PKCS12 key store. Asks for brokers of one's own. */
  readonly tls?: { readonly keyStore: string; readonly password: string }
  /** Asks for brokers of one's own, that can be killed and paused, even where `KAFKA_BROKERS` is set. */
  readonly own?: boolean
}

/** What {@link startServices} started. */
export interface Services {
  readonly kafka?: RunningKafka
  readonly postgres?: RunningService
  readonly redis?: RunningService
  /** Stops everything that was started. Can be called again. */
  close(): Promise<void>
}
