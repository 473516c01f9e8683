import type { Capabilities } from '../../driver/index.ts'
import type { ClusterFaults } from './harness.ts'
import type { Stage } from './stage.ts'

/** Promises of the driver port about one thing. */
export interface ConformanceSubject {
  /** Follows the driver's name in a test's title: `committing`. */
  readonly name: string
  readonly cases: readonly ConformanceCase[]
}

/** One promise of the driver port, and how it is held. */
export interface ConformanceCase {
  /** The promise, as a sentence: the test's name. */
  readonly promise: string
  /** Holds the promise for drivers that claim this, or with `false` for those that do not. @defaultValue all */
  readonly claim?: readonly [flag: keyof Capabilities, claimed: boolean]
  /** Holds the promise for drivers whose groups rebalance so. @defaultValue all */
  readonly rebalance?: 'eager' | 'cooperative'
  /** The fault that the test has to cause. */
  readonly fault?: keyof ClusterFaults
  readonly hold: (stage: Stage) => Promise<void>
}

/** Whether a driver claims all there is of a capability. */
export function isClaimed(capabilities: Capabilities, flag: keyof Capabilities): boolean {
  if (flag === 'readCommitted') return capabilities.readCommitted === 'correct'
  if (flag === 'revoke') return capabilities.revoke === 'before'
  if (flag === 'compression') return capabilities.compression.length === EVERY_COMPRESSION
  return capabilities[flag]
}

const EVERY_COMPRESSION = 5
