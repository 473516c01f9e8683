import type { DriverConformanceOptions, TestRunner } from '../../src/testing/index.ts'

/** A driver and a cluster for it, as {@link driverConformance} wants them, but for the test runner. */
export type ConformanceEnvironment = Omit<DriverConformanceOptions, keyof TestRunner>
