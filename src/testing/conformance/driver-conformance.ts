import { administering } from './administering.ts'
import type { ConformanceCase } from './conformance-case.ts'
import { consuming } from './consuming.ts'
import type { DriverConformanceOptions } from './harness.ts'
import { producing } from './producing.ts'
import { createStage } from './stage.ts'
import { transacting } from './transacting.ts'

/**
 * Registers the tests that a driver must pass: each promise of the driver port is one. What a driver says it cannot do is
 * held the other way round where there is another way; nothing is skipped, and no test sleeps to wait.
 */
export function driverConformance(options: DriverConformanceOptions): void {
  const { name, capabilities, faults = [], boundMs = 60_000 } = options
  const applies = ({ when = () => true, fault }: ConformanceCase): boolean =>
    when(capabilities) && (fault === undefined || faults.includes(fault))

  const register = (part: string, cases: readonly ConformanceCase[]): void => {
    options.describe(`${name} ${part}`, () => {
      for (const each of cases.filter(applies)) options.test(each.promise, () => hold(each))
    })
  }

  const hold = async (each: ConformanceCase): Promise<void> => {
    const world = await options.create()
    const inTime = <T>(work: Promise<T>): Promise<T> => world.run?.(work) ?? work
    try {
      const stage = createStage(world, boundMs)
      try {
        await inTime(each.hold(stage))
      } finally {
        await inTime(stage.close())
      }
    } finally {
      await world.close()
    }
  }

  register('producing', producing)
  register('in transactions', transacting)
  register('consuming', consuming)
  register('administering', administering)
}
