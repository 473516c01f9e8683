import { describe, test } from 'vitest'
import { inMemoryEnvironment, kafkajsEnvironment } from '../../scripts/conformance/index.ts'
import { driverConformance } from '../../src/testing/index.ts'
import { useKafka } from '../helpers/services.ts'

driverConformance({ ...kafkajsEnvironment(async () => (await useKafka()).brokers), describe, test: test.concurrent })
