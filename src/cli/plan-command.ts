import type { Consumer, ReliabilityPlan } from 'holdfast'
import { HoldfastError } from 'holdfast'
import { configuredConsumers } from './configured-consumers.ts'
import { EXIT } from './exit-codes.ts'
import { loadConfiguration, unfit } from './load-configuration.ts'
import { paintFor } from './paint.ts'
import { countBounds, planReport } from './plan-report.ts'
import type { CliSurroundings } from './surroundings.ts'

/** What `holdfast plan` takes. */
export interface PlanOptions {
  readonly config?: string
  readonly json?: boolean
}

/** Prints the plans of all consumers that the configuration exports. A bound that does not hold is exit code 1. Connects to nothing. */
export async function planCommand(options: PlanOptions, surroundings: CliSurroundings): Promise<number> {
  const { output, environment, signal } = surroundings
  const loaded = await loadConfiguration(surroundings, options.config)
  const plans = plansOf(await configuredConsumers(loaded, signal))
  const counts = countBounds(plans)
  output.write(
    options.json === true
      ? `${JSON.stringify({ bounds: counts, consumers: plans }, null, 2)}\n`
      : planReport(plans, paintFor(output, environment)),
  )
  return counts.broken === 0 ? EXIT.fine : EXIT.broken
}

/** @throws HOLDFAST_CONFIG_INVALID with what is wrong with all of them */
function plansOf(consumers: readonly Consumer[]): readonly ReliabilityPlan[] {
  const plans: ReliabilityPlan[] = []
  const problems: { path: string; message: string }[] = []
  consumers.forEach((consumer, i) => {
    try {
      plans.push(consumer.plan())
    } catch (error) {
      if (!HoldfastError.is(error, 'HOLDFAST_CONFIG_INVALID')) throw error
      for (const { path, message } of error.problems) problems.push({ path: `consumers[${i}].${path}`, message })
    }
  })
  if (problems.length > 0) throw unfit('consumers: options do not fit', problems)
  return plans
}
