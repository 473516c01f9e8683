import { describe, test } from 'vitest'
import { inMemoryEnvironment } from '../../scripts/conformance/index.ts'
import { driverConformance } from '../../src/testing/index.ts'

for (const latencyMs of [0, 3]) driverConformance({ ...inMemoryEnvironment({ latencyMs }), describe, test })
driverConformance({ ...inMemoryEnvironment({ latencyMs: 3, rebalance: 'cooperative' }), describe, test })
