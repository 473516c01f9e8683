import type { BatchHandler, ErrorRule, Handler, HandlerOutcome } from '../../../src/consumer/index.ts'
import { park, pauseFor, retryAfter, skip } from '../../../src/consumer/index.ts'
import type { SimulatedProcess, Simulation } from '../../../src/testing/simulation/index.ts'
import type { Order } from '../order.ts'
import type { Placed, PlacedRecords } from '../placed-records.ts'
import type { Calls } from './calls.ts'
import type { AtMostOncePlan, TopicPlan } from './plan.ts'

/** What stands outside of all handlers. */
export interface HandlerWorld {
  readonly simulation: Simulation
  readonly plan: AtMostOncePlan
  readonly placed: PlacedRecords
  readonly calls: Calls
  readonly healed: boolean
  /** The key of which every message takes long, in a wide plan. */
  readonly slowKey: string
  laneOf(placed: Placed): string
  isZombie(process: SimulatedProcess): boolean
  /** Resolves when all is healed. */
  untilHealed(process: SimulatedProcess): Promise<void>
}

export const errorRules: readonly ErrorRule[] = [
  { when: { code: 'SKIP' }, verdict: 'skip' },
  { when: (error) => error instanceof Error && error.message === 'stop', verdict: 'stop' },
]

/** The handlers of one topic in one process. */
export interface Handlers {
  readonly single: Handler<Order>
  readonly batch: BatchHandler<Order>
}

/** Makes {@link Handlers} that look whether messages come one after the other where they should. */
export function createHandlers(process: SimulatedProcess, topic: TopicPlan, world: HandlerWorld): Handlers {
  const { simulation, plan, placed, calls } = world
  const { int, chance } = simulation
  const active = new Set<string>()

  const enter = (lane: string): (() => void) => {
    if (topic.ordering === 'none') return () => {}
    if (active.has(lane)) simulation.violation('overlap', `${process.name} handles two of ${lane} at once`)
    active.add(lane)
    return () => void active.delete(lane)
  }

  /** What takes time before a call ends, its own time perhaps. */
  const work = async (mostMs: number): Promise<void> => {
    if (!world.healed && chance(plan.hangs)) await world.untilHealed(process)
    if (!world.healed && chance(plan.slow)) await process.pause(2_500)
    await process.pause(int(mostMs + 1))
  }

  const failure = (): Error | null => {
    if (world.healed) return null
    if (chance(plan.stops)) return new Error('stop')
    if (!chance(plan.fails)) return null
    return chance(0.3) ? Object.assign(new Error('SKIP'), { code: 'SKIP' }) : new Error('fails')
  }

  /** Handlers that ask for what there is not, at most once, are failures as any other. */
  const answer = (): HandlerOutcome | undefined => {
    if (world.healed || !chance(plan.fails / 2)) return undefined
    return [park('no'), skip('no'), retryAfter(10), pauseFor(10)][int(4)]
  }

  return {
    async single(_, context) {
      const each = placed.at(context)
      const leave = enter(world.laneOf(each))
      calls.begun(process, each, world.isZombie(process))
      try {
        await work(plan.wide && each.key === world.slowKey ? 500 : plan.handlerMs)
        const thrown = failure()
        if (thrown !== null) throw thrown
        const said = answer()
        calls.ended(process, each, said === undefined ? 'handled' : 'failed')
        return said
      } catch (thrown) {
        calls.ended(process, each, 'failed')
        throw thrown
      } finally {
        leave()
      }
    },
    async batch(messages, batch) {
      const some = messages.map(({ context }) => placed.at(context))
      const leave = enter(`${batch.topic}[${batch.partition}]`)
      for (const each of some) calls.begun(process, each, world.isZombie(process))
      const failed = new Set<Placed>()
      try {
        await work(plan.handlerMs)
        const thrown = failure()
        if (thrown !== null) throw thrown
        for (const [i, each] of some.entries()) {
          if (world.healed || !chance(plan.fails / 2)) continue
          failed.add(each)
          batch.fail(messages[i]!, new Error('fails'))
        }
        for (const each of some) calls.ended(process, each, failed.has(each) ? 'failed' : 'handled')
      } catch (thrown) {
        for (const each of some) calls.ended(process, each, 'failed')
        throw thrown
      } finally {
        leave()
      }
    },
  }
}
