import { kafkajsDriver } from '../../src/driver/kafkajs/index.ts'
import type { TestRunner } from '../../src/testing/index.ts'
import { driverConformance } from '../../src/testing/index.ts'
import { KAFKA_VERSION } from '../services/index.ts'
import { inMemoryEnvironment } from './in-memory.ts'
import { kafkajsEnvironment } from './kafkajs.ts'
import type { TableColumn } from './table.ts'

/** Where the two drivers are to be judged. */
export interface ConformanceRunners {
  readonly inMemory: TestRunner
  readonly kafkajs: TestRunner
  /** Of the real Kafka; asked for by the first test. */
  readonly brokers: () => Promise<string[]>
}

/** Registers the suite for every driver; the columns of the table are filled as the tests run. */
export function conformanceColumns(runners: ConformanceRunners): readonly TableColumn[] {
  const inMemory = inMemoryEnvironment({ latencyMs: 3 })
  const cooperative = inMemoryEnvironment({ latencyMs: 3, rebalance: 'cooperative' })
  const kafkajs = kafkajsEnvironment(runners.brokers)
  return [
    {
      name: 'in-memory',
      version: 'The in-memory driver of this version',
      capabilities: inMemory.capabilities,
      results: driverConformance({ ...inMemory, ...runners.inMemory }),
    },
    {
      name: 'in-memory, cooperative',
      version: "the same with `rebalance: 'cooperative'`",
      capabilities: cooperative.capabilities,
      results: driverConformance({ ...cooperative, ...runners.inMemory }),
    },
    {
      name: 'kafkajs',
      version: `${kafkajsDriver({ brokers: ['127.0.0.1:1'] }).name} on Apache Kafka ${KAFKA_VERSION}`,
      capabilities: kafkajs.capabilities,
      results: driverConformance({ ...kafkajs, ...runners.kafkajs }),
    },
  ]
}
