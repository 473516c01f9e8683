import { administering } from './administering.ts'
import { carrying } from './carrying.ts'
import type { ConformanceCase, ConformanceSubject } from './conformance-case.ts'
import { isClaimed } from './conformance-case.ts'
import { consuming } from './consuming/index.ts'
import type { ConformanceOutcome, ConformanceResult, DriverConformanceOptions } from './harness.ts'
import { producing } from './producing.ts'
import { createStage } from './stage.ts'
import { transacting } from './transacting.ts'

const subjects: readonly ConformanceSubject[] = [
  { name: 'producing', cases: producing },
  { name: 'in transactions', cases: transacting },
  { name: 'carrying records', cases: carrying },
  ...consuming,
  { name: 'administering', cases: administering },
]

/**
 * Registers the tests that a driver must pass: each promise of the driver port is one. What a driver says it cannot do is
 * held the other way round where there is another way; what the cluster cannot be made to do has to be named with a reason.
 * Nothing is skipped, and no test sleeps to wait.
 *
 * @returns every promise in the order of the suite, those without a test too; their outcomes come in as the tests run.
 */
export function driverConformance(options: DriverConformanceOptions): readonly ConformanceResult[] {
  const { name, capabilities, faults, rebalance = 'eager' } = options
  const results: ConformanceResult[] = []
  for (const subject of subjects) {
    options.describe(`${name} ${subject.name}`, () => {
      for (const each of subject.cases) {
        const result = { subject: subject.name, promise: each.promise, outcome: outcomeWithoutTest(each) }
        results.push(result)
        if (result.outcome.kind !== 'open') continue
        options.test(each.promise, async () => {
          try {
            await hold(options, each)
            result.outcome = { kind: 'kept' }
          } catch (error) {
            result.outcome = { kind: 'broken', error }
            throw error
          }
        })
      }
    })
  }
  return results

  function outcomeWithoutTest({ claim, fault, ...each }: ConformanceCase): ConformanceOutcome {
    if (claim !== undefined && isClaimed(capabilities, claim[0]) !== claim[1]) {
      return { kind: 'otherwise', flag: claim[0], claimed: !claim[1] }
    }
    if ((each.rebalance ?? rebalance) !== rebalance)
      return { kind: 'untestable', reason: `its rebalances are ${rebalance}` }
    const testable = fault === undefined || faults[fault]
    return testable === true ? { kind: 'open' } : { kind: 'untestable', reason: testable }
  }
}

async function hold(
  { create, boundMs = 60_000, rebalance = 'eager' }: DriverConformanceOptions,
  each: ConformanceCase,
): Promise<void> {
  const world = await create()
  const inTime = <T>(work: Promise<T>): Promise<T> => world.run?.(work) ?? work
  try {
    const stage = createStage(world, boundMs, rebalance)
    try {
      await inTime(each.hold(stage))
    } finally {
      await inTime(stage.close())
    }
  } finally {
    await world.close()
  }
}
