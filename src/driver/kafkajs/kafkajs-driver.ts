import { createRequire } from 'node:module'
import type { KafkaConfig } from 'kafkajs'
import type { Driver } from '../driver.ts'
import { createKafkajsAdmin } from './kafkajs-admin.ts'
import type { KafkajsCodecs } from './kafkajs-codecs.ts'
import { availableCompression, registerCodecs } from './kafkajs-codecs.ts'
import { checkKafkajsConfig } from './kafkajs-config.ts'
import { createKafkajsConsumer } from './kafkajs-consumer.ts'
import { createKafkajsContext } from './kafkajs-context.ts'
import { createKafkajsProducer } from './kafkajs-producer.ts'

/** What the driver can be given beside kafkajs' own configuration. */
export interface KafkajsDriverOptions {
  /**
   * Codecs for reading and writing beside gzip. They enter kafkajs' table of codecs, which is one for the whole process.
   *
   * @defaultValue none
   */
  readonly codecs?: KafkajsCodecs
}

/**
 * Kafka through kafkajs 2.2. Connects nothing yet.
 *
 * @param config - the whole configuration of a `Kafka` object of kafkajs: `ssl`, `sasl`, `brokers` as a function,
 * `socketFactory` and all. Two parts are read otherwise: `retry` holds for consumers alone (a producer repeats until its
 * delivery timeout, an admin client for a minute), and without a `logCreator` the lines go to the logger of whoever uses the
 * driver. `clientId` defaults to `holdfast`.
 * @throws HOLDFAST_CONFIG_INVALID with every problem that can be seen without a connection
 */
export function kafkajsDriver(config: KafkaConfig, options: KafkajsDriverOptions = {}): Driver {
  checkKafkajsConfig(config, options)
  registerCodecs(options.codecs ?? {})
  const clientId = config.clientId ?? 'holdfast'
  const context = createKafkajsContext({ ...config, clientId })
  return {
    name: `kafkajs ${version()}`,
    clientId,
    capabilities: {
      idempotentProducer: true,
      transactions: true,
      transactionGroupFencing: false, // TxnOffsetCommit v1 knows no member and no generation
      readCommitted: 'correct',
      revoke: 'before', // through held requests: consumer-wire.ts
      nullHeaderValue: true,
      headerOrder: true,
      commitMetadata: true,
      compression: availableCompression(),
    },
    createProducer: (producerOptions) => createKafkajsProducer(context, producerOptions),
    createConsumer: (consumerOptions) => createKafkajsConsumer(context, consumerOptions),
    createAdmin: (surroundings) => createKafkajsAdmin(context, surroundings),
  }
}

function version(): string {
  return (createRequire(import.meta.url)('kafkajs/package.json') as { readonly version: string }).version
}
