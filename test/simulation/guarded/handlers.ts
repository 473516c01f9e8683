import type { BatchHandler, ErrorRule, Handler, MessageContext } from '../../../src/consumer/index.ts'
import type { SimulatedProcess, Simulation } from '../../../src/testing/simulation/index.ts'
import type { Order } from '../order.ts'
import type { Placed, PlacedRecords } from '../placed-records.ts'
import type { Call, Ledger } from './ledger.ts'
import type { GuardedPlan } from './plan.ts'

/** What stands outside of all handlers. */
export interface HandlerWorld {
  readonly simulation: Simulation
  readonly plan: GuardedPlan
  readonly placed: PlacedRecords
  readonly ledger: Ledger
  readonly maxAttempts: number
  readonly healed: boolean
  fateOf(messageId: string): Fate | undefined
  /** A call is about to begin: may it? */
  onBegin(process: SimulatedProcess, placed: Placed): void
  /** A call has used up an attempt. */
  onFailure(process: SimulatedProcess, messageId: string): void
}

/** Poison fails until it is parked. */
export type Fate = 'poison' | 'skip'

export const errorRules: readonly ErrorRule[] = [{ when: { code: 'SKIP' }, verdict: 'skip' }]

/** The handlers of one process. */
export interface Handlers {
  readonly single: Handler<Order>
  readonly batch: BatchHandler<Order>
}

/** Makes {@link Handlers} that look whether messages come one after the other where they should. */
export function createHandlers(process: SimulatedProcess, world: HandlerWorld): Handlers {
  const { simulation, plan, placed, ledger } = world
  const { int, chance } = simulation
  const active = new Set<string>()

  const enter = (lane: string): (() => void) => {
    if (plan.ordering === 'none') return () => {}
    if (active.has(lane)) simulation.violation('overlap', `${process.name} handles two of ${lane} at once`)
    active.add(lane)
    return () => void active.delete(lane)
  }

  const begin = (context: Omit<MessageContext, 'ack' | 'tx'>, among: number): Call => {
    const each = placed.at(context)
    world.onBegin(process, each)
    if (context.attempt < 1 || context.attempt > world.maxAttempts)
      simulation.violation('attempts-above', `${each.messageId} is handled as attempt ${context.attempt}`)
    return ledger.begun({ process, placed: each, signal: context.signal, among })
  }

  const work = async (mostMs: number): Promise<void> => {
    if (!world.healed && chance(plan.long)) await process.pause(500 + int(600))
    if (!world.healed && chance(plan.slow)) await process.pause(3_000)
    await process.pause(int(mostMs + 1))
  }

  /** Uses up an attempt; unless it was told to end, and fails over that. */
  const fail = ({ placed: { messageId }, signal }: Call): void => {
    ledger.failed(messageId)
    if (!signal.aborted) world.onFailure(process, messageId)
  }

  /** Has its effect, or fails. */
  const finish = (call: Call): void => {
    const { messageId } = call.placed
    const fate = world.fateOf(messageId)
    if (fate === 'skip') {
      ledger.excused(call.placed)
      fail(call)
      throw Object.assign(new Error('SKIP'), { code: 'SKIP' })
    }
    if (fate === 'poison' || (!world.healed && chance(plan.fails))) {
      fail(call)
      throw new Error('fails')
    }
    ledger.happened(call)
  }

  return {
    async single(_, context) {
      const each = placed.at(context)
      const leave = enter(plan.ordering === 'partition' ? `${each.topic}[${each.partition}]` : each.lane)
      const call = begin(context, 1)
      try {
        await work(plan.handlerMs)
        finish(call)
      } finally {
        ledger.ended(call)
        leave()
      }
    },
    async batch(messages, batch) {
      const leave = enter(`${batch.topic}[${batch.partition}]`)
      const calls = messages.map(({ context }) => begin(context, messages.length))
      const failed = new Set<string>() // what is behind a failed message of its key must fail as well, or it would come first
      try {
        await work(plan.handlerMs)
        for (const [i, call] of calls.entries()) {
          const { lane } = call.placed
          try {
            if (failed.has(lane)) {
              fail(call)
              throw new Error('behind a failed one')
            }
            finish(call)
          } catch (error) {
            failed.add(lane)
            batch.fail(messages[i]!, error)
          }
        }
      } finally {
        for (const call of calls) ledger.ended(call)
        leave()
      }
    },
  }
}
