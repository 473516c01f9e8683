import type { SendManyOutcome } from '../../src/producer/index.ts'
import type { InboundRecord } from '../../src/record/index.ts'
import { headerText } from '../../src/record/index.ts'
import type { SimulatedProcess, Simulation } from '../../src/testing/simulation/index.ts'

/** One message that a process has sent, in the order of the calls. */
export interface Sent {
  readonly id: number
  readonly process: SimulatedProcess
  readonly topic: string
  /** When it has to have ended, in virtual milliseconds. */
  readonly dueMs: number
  outcome: SendManyOutcome | null
}

/** All that was sent, and what became of it. */
export interface Sends {
  readonly all: readonly Sent[]
  add(process: SimulatedProcess, topic: string, timeoutMs: number): Sent
  ended(sent: Sent, outcome: SendManyOutcome): void
  /** What is acknowledged is on the log, once; what has failed for certain is not; and each key keeps the order of its sends. */
  checkLog(topics: readonly string[]): void
}

/** The id that the message of a {@link Sent} is sent with. */
export function idOf({ id }: Pick<Sent, 'id'>): string {
  return `m-${id}`
}

/** Makes {@link Sends}. @param mayBeLate - has it stood still, so that its deadlines could not be kept? */
export function createSends(simulation: Simulation, mayBeLate: (process: SimulatedProcess) => boolean): Sends {
  const { cluster, violation } = simulation
  const all: Sent[] = []

  const onTheLog = (topics: readonly string[]): ReadonlyMap<string, readonly InboundRecord[]> => {
    const found = new Map<string, InboundRecord[]>()
    for (const record of topics.flatMap((topic) => cluster.records(topic))) {
      const id = headerText(record.headers, 'holdfast-id') ?? ''
      found.set(id, [...(found.get(id) ?? []), record])
    }
    return found
  }

  const checkOne = (sent: Sent, records: readonly InboundRecord[]): void => {
    const { id, outcome } = sent
    if (records.length > 1) violation('doubled', `${id} is on the log ${records.length} times`)
    if (outcome?.ok === true) {
      const { topic, partition, offset } = outcome.result
      const isThere = records.some(
        (each) => each.topic === topic && each.partition === partition && each.offset === offset,
      )
      if (!isThere) violation('lost', `${id} was acknowledged and is not at ${topic}[${partition}]@${offset}`)
    } else if (outcome !== null && outcome.error.code !== 'HOLDFAST_INDETERMINATE' && records.length > 0) {
      violation('written-all-the-same', `${id} has failed ${outcome.error.code} and is on the log`)
    }
  }

  return {
    all,
    add(process, topic, timeoutMs) {
      const sent: Sent = { id: all.length, process, topic, dueMs: simulation.now + timeoutMs, outcome: null }
      all.push(sent)
      simulation.note(`${process.name} sends ${sent.id} to ${topic}`)
      return sent
    },
    ended(sent, outcome) {
      simulation.note(`${sent.process.name}: ${sent.id} ${outcome.ok ? 'is acknowledged' : outcome.error.code}`)
      if (simulation.now > sent.dueMs && !mayBeLate(sent.process))
        violation('late', `${sent.id} has ended ${simulation.now - sent.dueMs} ms after its deadline`)
      sent.outcome = outcome
    },
    checkLog(topics) {
      const found = onTheLog(topics)
      const last = new Map<string, bigint>() // of each producer, partition and key
      for (const sent of all) {
        const records = found.get(idOf(sent)) ?? []
        checkOne(sent, records)
        for (const { topic, partition, key, offset } of records) {
          const lane = `${sent.process.name} ${topic}[${partition}]/${key === null ? '' : Buffer.from(key).toString()}`
          if (offset < (last.get(lane) ?? -1n))
            violation('out-of-order', `${sent.id} of ${lane} stands before an earlier one`)
          last.set(lane, offset)
        }
      }
    },
  }
}
