import { Kafka, logLevel } from 'kafkajs'
import type { KafkaConfig } from 'kafkajs'
import { describeError } from '../../errors/index.ts'
import { silentLogger } from '../../logger/index.ts'
import { bridgeLogs } from './kafkajs-logs.ts'

/** What every client of one driver is made from. */
export interface KafkajsContext {
  /** The user's configuration, checked; its functions are wrapped so that what they throw cannot carry a secret on. */
  readonly config: KafkaConfig
  /**
   * A fresh `Kafka` object, one for each client: clients of one object share committed offsets (kafkajs `cluster/index.js`).
   *
   * It is silent unless the overrides bring `logCreator: bridgeLogs(logger, config)`, or the user's configuration has a
   * `logCreator` of its own, which wins.
   */
  newKafka(overrides?: Partial<KafkaConfig>): Kafka
}

/** The context of one driver. Connects nothing. */
export function createKafkajsContext(config: KafkaConfig): KafkajsContext {
  const guarded = withGuardedFunctions(config)
  return {
    config: guarded,
    newKafka(overrides = {}) {
      return new Kafka({
        logLevel: logLevel.INFO,
        ...guarded,
        ...overrides,
        logCreator: guarded.logCreator ?? overrides.logCreator ?? bridgeLogs(silentLogger, guarded),
      })
    },
  }
}

/** kafkajs copies the message of what these throw into its own errors and log lines, and a token may be in it. */
function withGuardedFunctions(config: KafkaConfig): KafkaConfig {
  const { brokers, sasl } = config
  const guarded = { ...config }
  if (typeof brokers === 'function') guarded.brokers = guard('brokers', brokers)
  if (sasl !== undefined && 'oauthBearerProvider' in sasl) {
    guarded.sasl = { ...sasl, oauthBearerProvider: guard('sasl.oauthBearerProvider', sasl.oauthBearerProvider) }
  }
  return guarded
}

function guard<T>(option: string, call: () => T | Promise<T>): () => Promise<T> {
  return async () => {
    try {
      return await call()
    } catch (error) {
      throw new Error(`the function ${option} of the configuration threw ${describeError(error).name}`)
    }
  }
}
