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
  return subjects.flatMap((subject) => {
    const all = subject.cases.map((each) => ({
      each,
      result: { subject: subject.name, promise: each.promise, outcome: outcomeWithoutTest(each) },
    }))
    const open = all.filter(({ result }) => result.outcome.kind === 'open')
    const register = (): void => {
      for (const { each, result } of open) options.test(each.promise, () => judge(each, result))
    }
    if (open.length > 0) options.describe(`${name} ${subject.name}`, register) // some runners fail a group without tests
    return all.map(({ result }) => result)
  })

  async function judge(each: ConformanceCase, result: { outcome: ConformanceOutcome }): Promise<void> {
    try {
      await hold(options, each)
      result.outcome = { kind: 'kept' }
    } catch (error) {
      result.outcome = { kind: 'broken', error }
      throw error
    }
  }

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
