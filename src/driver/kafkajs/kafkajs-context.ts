import { Kafka, logLevel } from 'kafkajs'
import type { KafkaConfig } from 'kafkajs'
import { describeForeignError } from '../../errors/index.ts'
import { silentLogger } from '../../logger/index.ts'
import { bridgeLogs } from './kafkajs-logs.ts'

/** What kafkajs takes for `requestTimeout` when it is not given (`network/connection.js`). */
export const KAFKAJS_REQUEST_TIMEOUT_MS: number = 30_000

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
  let made = 0
  return {
    config: guarded,
    newKafka(overrides = {}) {
      return new Kafka({
        logLevel: logLevel.INFO,
        ...guarded,
        ...overrides,
        brokers: startingAt(made++, overrides.brokers ?? guarded.brokers),
        logCreator: guarded.logCreator ?? overrides.logCreator ?? bridgeLogs(silentLogger, guarded),
      })
    },
  }
}

/**
 * The seed brokers, another one first for each client: kafkajs begins with the first, and never leaves one that takes the
 * connection and then says nothing (`cluster/brokerPool.js:89` rotates for connection errors alone).
 */
function startingAt(turn: number, brokers: KafkaConfig['brokers']): KafkaConfig['brokers'] {
  if (typeof brokers === 'function') return async () => rotate(turn, await brokers())
  return rotate(turn, brokers)
}

function rotate(turn: number, brokers: readonly string[]): string[] {
  if (!Array.isArray(brokers) || brokers.length === 0) return brokers as string[]
  const first = turn % brokers.length
  return [...brokers.slice(first), ...brokers.slice(0, first)]
}

/** kafkajs copies the message of what these throw into its own errors and log lines, and a token may be in it. */
function withGuardedFunctions(config: KafkaConfig): KafkaConfig {
  const { brokers, sasl, socketFactory } = config
  const guarded = { ...config }
  if (typeof brokers === 'function') guarded.brokers = guard('brokers', brokers)
  if (socketFactory !== undefined)
    guarded.socketFactory = (args) => guardNow('socketFactory', () => socketFactory(args))
  if (sasl !== undefined && 'oauthBearerProvider' in sasl) {
    guarded.sasl = { ...sasl, oauthBearerProvider: guard('sasl.oauthBearerProvider', sasl.oauthBearerProvider) }
  } else if (sasl !== undefined && 'authenticationProvider' in sasl) {
    const option = 'sasl.authenticationProvider'
    const authenticationProvider: typeof sasl.authenticationProvider = (args) => {
      const authenticator = guardNow(option, () => sasl.authenticationProvider(args))
      return { authenticate: guard(option, () => authenticator.authenticate()) }
    }
    guarded.sasl = { ...sasl, authenticationProvider }
  }
  return guarded
}

function guard<T>(option: string, call: () => T | Promise<T>): () => Promise<T> {
  return async () => {
    try {
      return await call()
    } catch (error) {
      throw withoutItsWords(option, error)
    }
  }
}

function guardNow<T>(option: string, call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw withoutItsWords(option, error)
  }
}

function withoutItsWords(option: string, error: unknown): Error {
  return new Error(`the function ${option} of the configuration threw ${describeForeignError(error)}`)
}
