import type { ErrorRule, Handler, BatchHandler, MessageContext, TombstoneHandler } from '../../../src/consumer/index.ts'
import type { SimulatedProcess, Simulation } from '../../../src/testing/simulation/index.ts'
import type { Order } from '../order.ts'
import type { Outcomes } from '../outcomes.ts'
import type { Placed, PlacedRecords } from '../placed-records.ts'
import type { SimulatedTransaction } from '../watched-inbox.ts'
import type { ConsumingPlan, TopicPlan } from './plan.ts'

/** What stands outside of all handlers. */
export interface HandlerWorld {
  readonly simulation: Simulation
  readonly plan: ConsumingPlan
  readonly placed: PlacedRecords
  readonly outcomes: Outcomes
  /** What becomes of a record whose handler never succeeds. */
  readonly fates: ReadonlyMap<Placed, Fate>
  readonly healed: boolean
  /** Every handler fails for a while. */
  readonly storm: boolean
  /** What all handlers depend on is out. */
  readonly dependencyIsOut: boolean
  /** A call has begun. */
  onBegin(process: SimulatedProcess, placed: Placed): void
  /** A call fails by the record's own fault: an attempt. */
  onFailure(process: SimulatedProcess, placed: Placed): void
  /** A call will outlast its time: what it does may be done again. */
  onSlow(): void
}

/** Where an effect goes: into a transaction, or at once into the world. */
type Effects = SimulatedTransaction | undefined

/** Poison fails until it is parked; the others end by an error rule. */
export type Fate = 'poison' | 'skip' | 'park'

export const errorRules: readonly ErrorRule[] = [
  { when: { code: 'SKIP' }, verdict: 'skip' },
  { when: { code: 'PARK' }, verdict: 'park' },
  { when: { code: 'OUT' }, verdict: 'pause' },
  { when: (error) => error instanceof Error && error.message === 'stop', verdict: 'stop' },
]

/** The handlers of one topic in one process. */
export interface Handlers {
  readonly single: Handler<Order, Effects>
  readonly tombstone: TombstoneHandler<Effects>
  readonly batch: BatchHandler<Order, Effects>
}

/** Makes {@link Handlers} that look whether messages come one after the other where they should. */
export function createHandlers(process: SimulatedProcess, topic: TopicPlan, world: HandlerWorld): Handlers {
  const { simulation, plan, placed, outcomes } = world
  const { int, chance } = simulation
  const active = new Set<string>()

  const enter = (name: string): (() => void) => {
    if (topic.ordering === 'none') return () => {}
    if (active.has(name)) simulation.violation('overlap', `${process.name} handles two of ${name} at once`)
    active.add(name)
    return () => void active.delete(name)
  }
  const laneOf = (each: Placed): string =>
    topic.ordering === 'partition' ? `${each.topic}[${each.partition}]` : each.lane

  const work = async (each: Placed, signal: AbortSignal, effects: Effects, mostMs: number): Promise<void> => {
    await process.pause(int(mostMs + 1))
    const failure = failureOf(each)
    if (failure !== null) {
      if (failure.message === 'fails' && !signal.aborted) world.onFailure(process, each)
      throw failure
    }
    if (effects === undefined) outcomes.happened(process, each)
    else effects.happens(each)
  }

  const failureOf = (each: Placed): Error | null => {
    const fate = world.fates.get(each)
    if (fate === 'skip') outcomes.excused(each, 'skipped')
    if (fate === 'skip' || fate === 'park') return coded(fate.toUpperCase())
    if (world.dependencyIsOut) return coded('OUT')
    if (fate === 'poison') return new Error('fails')
    if (world.healed) return null
    if (chance(plan.stops)) return new Error('stop')
    return world.storm || chance(plan.fails) ? new Error('fails') : null
  }

  const one = async (context: MessageContext<Effects>): Promise<void> => {
    const each = placed.at(context)
    const leave = enter(laneOf(each))
    let held = false // until it is acknowledged, whoever calls that
    try {
      simulation.note(`${process.name} handles ${each.id} (${each.lane} ${each.offset}), attempt ${context.attempt}`)
      world.onBegin(process, each)
      const slow = !world.healed && chance(plan.slow)
      if (slow) {
        world.onSlow()
        await process.pause(2_500)
      }
      await work(each, context.signal, context.tx, plan.handlerMs)
      if (topic.mode === 'manual' && !context.signal.aborted) {
        held = true
        context.signal.addEventListener('abort', leave) // nobody waits for its acknowledgement any more
        acknowledge(context, leave)
      } else if (chance(0.3)) await process.pause(int(20))
    } finally {
      if (!held) leave()
    }
  }

  const acknowledge = (context: MessageContext<Effects>, leave: () => void): void => {
    const never = !plan.calm && !world.healed && chance(0.02)
    if (never) world.onSlow()
    if (never || chance(0.5)) {
      leave()
      if (!never) context.ack()
      return
    }
    void process.pause(int(20)).then(() => {
      leave()
      context.ack()
    })
  }

  return {
    single: (_, context) => one(context),
    tombstone: one,
    async batch(messages, batch) {
      const { topic: name, partition, signal } = batch
      const leave = enter(`${name}[${partition}]`)
      const failed = new Set<string>() // what is behind a failed message of its key must fail as well, or it would come first
      try {
        simulation.note(`${process.name} handles a batch of ${messages.length} of ${name}[${partition}]`)
        if (!world.healed && chance(plan.fails)) throw new Error('fails')
        for (const message of messages) {
          const each = placed.at(message.context)
          world.onBegin(process, each)
          try {
            if (failed.has(each.lane)) throw new Error('behind a failed one')
            await work(each, signal, batch.tx, Math.floor(plan.handlerMs / messages.length))
          } catch (error) {
            failed.add(each.lane)
            batch.fail(message, error)
          }
        }
      } finally {
        leave()
      }
    },
  }
}

function coded(code: string): Error {
  return Object.assign(new Error(code), { code })
}
