import { headerText } from '../../../src/record/index.ts'
import type { SimulatedProcess, Simulation } from '../../../src/testing/simulation/index.ts'
import type { Placed, PlacedRecords } from '../placed-records.ts'

/** A call of a handler with one message. */
export interface Call {
  readonly process: SimulatedProcess
  readonly placed: Placed
  readonly signal: AbortSignal
  /** How many messages it has. */
  readonly among: number
}

/** What happened to messages, of which several records may be copies, and why something of it may happen again. */
export interface Ledger {
  /** From now on its effect may come again, for a reason that is known. */
  excuse(messageId: string, why: string): void
  isExcused(messageId: string): boolean
  begun(call: Call): Call
  ended(call: Call): void
  /** The call of the message that this process has, goes on, and nobody has told to end. */
  atWork(process: SimulatedProcess, messageId: string): Call | undefined
  happened(call: Call): void
  /** A call has failed by its own fault. */
  failed(messageId: string): void
  /** Ends without an effect: skipped by a rule, or it cannot be read. */
  excused(placed: Placed): void
  hasHappened(messageId: string): boolean
  isParked(messageId: string): boolean
  isExcusedFromEffect(messageId: string): boolean
  isOver(placed: Placed): boolean
  check(): void
}

/** What {@link createLedger} needs. */
export interface LedgerOptions {
  readonly simulation: Simulation
  readonly placed: PlacedRecords
  readonly deadLetterTopic: string
  readonly maxAttempts: number
  readonly isOrdered: boolean
  /** Was something done to it that is no peaceful end? */
  readonly isDisturbed: (process: SimulatedProcess) => boolean
  readonly isMarked: (messageId: string) => boolean
  /** How many beginnings of it have come to no end that anybody has told the store. */
  readonly unendedOf: (messageId: string) => number
}

/** Makes a {@link Ledger}: nothing has happened. */
export function createLedger(options: LedgerOptions): Ledger {
  const { simulation, placed, isDisturbed, isMarked } = options
  const { cluster, violation, note } = simulation
  const excuses = new Map<string, Set<string>>()
  const calls = new Map<string, Set<Call>>() // under way
  const effects = new Map<string, SimulatedProcess[]>()
  const firsts = new Map<string, Placed[]>() // of each lane, in the order of their first effects
  const seen = new Set<Placed>()
  const copies = new Map<string, number>()
  const failures = new Map<string, number>()
  const withoutEffect = new Set<string>()
  let letters = 0
  let parked = new Map<string, number>() // with the attempts that their dead letters tell

  const lookAtDeadLetters = (): void => {
    const records = cluster.records(options.deadLetterTopic)
    if (records.length === letters) return
    letters = records.length
    parked = new Map(
      records.map(({ headers }) => [
        headerText(headers, 'holdfast-dlq-message-id') ?? '',
        Number(headerText(headers, 'holdfast-dlq-attempts')),
      ]),
    )
  }
  const isParked = (messageId: string): boolean => {
    lookAtDeadLetters()
    return parked.has(messageId)
  }
  const isExcused = (messageId: string): boolean => excuses.has(messageId)
  const isGoingOn = ({ process, signal }: Call): boolean => process.state === 'running' && !signal.aborted

  return {
    excuse(messageId, why) {
      note(`${messageId} may come again: ${why}`)
      excuses.set(messageId, (excuses.get(messageId) ?? new Set()).add(why))
    },
    isExcused,
    begun(call) {
      const { process, placed: each } = call
      const { messageId } = each
      note(`${process.name} handles ${messageId} (${each.lane} ${each.offset})`)
      const before = calls.get(messageId) ?? new Set()
      if (!isExcused(messageId) && !isDisturbed(process)) {
        if (isMarked(messageId)) violation('handled-after-mark', `${process.name} handles ${messageId}`)
        for (const other of before)
          if (isGoingOn(other) && !isDisturbed(other.process))
            violation('side-by-side', `${messageId} is handled by ${process.name}, and by ${other.process.name}`)
      }
      calls.set(messageId, before.add(call))
      return call
    },
    ended(call) {
      calls.get(call.placed.messageId)!.delete(call)
    },
    atWork: (process, messageId) =>
      [...(calls.get(messageId) ?? [])].find((call) => call.process === process && isGoingOn(call)),
    happened(call) {
      const { process, placed: each, signal } = call
      const { messageId } = each
      note(`${process.name} effect of ${messageId}`)
      const before = effects.get(messageId) ?? []
      effects.set(messageId, [...before, process])
      if (signal.aborted) this.excuse(messageId, 'its partition went, or its time was over, before its effect')
      if (before.length > 0 && !isExcused(messageId) && ![...before, process].some(isDisturbed))
        violation('effect-twice', `${messageId}: ${[...before, process].map(({ name }) => name).join(', ')}`)
      if (seen.has(each)) return
      seen.add(each)
      const lane = firsts.get(each.lane)
      if (lane === undefined) firsts.set(each.lane, [each])
      else lane.push(each)
    },
    failed: (messageId) => void failures.set(messageId, (failures.get(messageId) ?? 0) + 1),
    excused: ({ messageId }) => void withoutEffect.add(messageId),
    hasHappened: (messageId) => effects.has(messageId),
    isParked,
    isExcusedFromEffect: (messageId) => withoutEffect.has(messageId),
    isOver: ({ messageId }) => effects.has(messageId) || withoutEffect.has(messageId) || isParked(messageId),
    check() {
      for (const each of placed.all) {
        copies.set(each.messageId, (copies.get(each.messageId) ?? 0) + 1)
        if (!this.isOver(each))
          violation('lost', `${each.messageId} at ${each.topic}[${each.partition}]@${each.offset}`)
      }
      lookAtDeadLetters()
      for (const [messageId, attempts] of parked) {
        const each = placed.named(messageId)
        if (each === undefined || each.kind === 'garbled') continue
        const used = (failures.get(messageId) ?? 0) + options.unendedOf(messageId)
        if (Math.min(attempts, used) < options.maxAttempts)
          violation('parked-early', `${messageId} after ${attempts} attempts, of which ${used} are known`)
      }
      if (!options.isOrdered) return
      for (const [lane, order] of firsts) {
        let last = -1n
        for (const { messageId, offset } of order) {
          // What was given up has its effect late, what has a copy may have it there, and what was forgotten has it again.
          if (isParked(messageId) || isExcused(messageId) || copies.get(messageId)! > 1) continue
          if (offset < last) violation('out-of-order', `${lane}: ${offset} after ${last}`)
          last = offset
        }
      }
    },
  }
}
