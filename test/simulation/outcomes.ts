import { headerText } from '../../src/record/index.ts'
import type { SimulatedProcess, Simulation } from '../../src/testing/simulation/index.ts'
import type { Placed, PlacedRecords } from './placed-records.ts'

/** What became of placed records. */
export interface Outcomes {
  /** A handler has done its work. */
  happened(process: SimulatedProcess, placed: Placed): void
  /** It ends without an effect: skipped by a rule, or never to be handled, since it is gone from the log or nobody handles its like. */
  excused(placed: Placed, why: 'skipped' | 'unhandled'): void
  /** Has it an outcome, so that its offset may move? */
  isOver(placed: Placed): boolean
  hasHappened(placed: Placed): boolean
  excuseOf(placed: Placed): 'skipped' | 'unhandled' | undefined
  isParked(placed: Placed): boolean
  /** Every record has an outcome. */
  checkLost(): void
  /** First effects come in the order of the log within each lane, of those topics that promise it. */
  checkOrder(isOrdered: (topic: string) => boolean): void
  /** No effect came twice. */
  checkRepeated(): void
}

/** Makes {@link Outcomes}. @param deadLetterTopics - where records are parked */
export function createOutcomes(
  simulation: Simulation,
  placed: PlacedRecords,
  deadLetterTopics: readonly string[],
): Outcomes {
  const { cluster } = simulation
  const effects = new Map<Placed, number>()
  const firsts = new Map<string, Placed[]>() // of each lane, in the order of their first effects
  const excuses = new Map<Placed, 'skipped' | 'unhandled'>()
  let parked = new Set<Placed>()
  let letters = 0

  const lookAtDeadLetters = (): void => {
    const records = deadLetterTopics.flatMap((topic) => cluster.records(topic))
    if (records.length === letters) return
    letters = records.length
    parked = new Set(
      records.flatMap(({ headers }) => placed.named(headerText(headers, 'holdfast-dlq-message-id') ?? '') ?? []),
    )
  }
  const isParked = (each: Placed): boolean => {
    if (parked.has(each)) return true
    lookAtDeadLetters()
    return parked.has(each)
  }
  const isOver = (each: Placed): boolean => effects.has(each) || excuses.has(each) || isParked(each)

  return {
    happened(process, each) {
      const before = effects.get(each) ?? 0
      simulation.note(`${process.name} effect of ${each.id}`)
      effects.set(each, before + 1)
      if (before > 0) return
      const lane = firsts.get(each.lane)
      if (lane === undefined) firsts.set(each.lane, [each])
      else lane.push(each)
    },
    excused(each, why) {
      if (excuses.get(each) !== 'unhandled') excuses.set(each, why)
    },
    isOver,
    hasHappened: (each) => effects.has(each),
    excuseOf: (each) => excuses.get(each),
    isParked,
    checkLost() {
      for (const each of placed.all) {
        if (!isOver(each)) simulation.violation('lost', `${each.id} at ${each.topic}[${each.partition}]@${each.offset}`)
      }
    },
    checkOrder(isOrdered) {
      for (const [lane, order] of firsts) {
        if (!isOrdered(order[0]!.topic)) continue
        let last = -1n
        for (const each of order) {
          if (isParked(each) || excuses.has(each)) continue // a late effect of what was given up
          if (each.offset < last) simulation.violation('out-of-order', `${lane}: ${each.offset} after ${last}`)
          last = each.offset
        }
      }
    },
    checkRepeated() {
      for (const [{ id }, count] of effects) {
        if (count > 1) simulation.violation('repeated', `${id} has ${count} effects, and nobody was disturbed`)
      }
    },
  }
}
