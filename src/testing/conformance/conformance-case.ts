import type { Capabilities } from '../../driver/index.ts'
import type { ClusterFaults } from './harness.ts'
import type { Stage } from './stage.ts'

/** One promise of the driver port, and how it is held. */
export interface ConformanceCase {
  /** The promise, as a sentence: the test's name. */
  readonly promise: string
  /** Holds the promise for drivers of which this is true. @defaultValue all */
  readonly when?: (capabilities: Capabilities) => boolean
  /** The fault that the test has to cause. */
  readonly fault?: keyof ClusterFaults
  readonly hold: (stage: Stage) => Promise<void>
}
