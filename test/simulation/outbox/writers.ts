import type { Outbox } from '../../../src/outbox/index.ts'
import type { InMemoryOutboxClient, InMemoryTransaction } from '../../../src/testing/index.ts'
import type { SimulatedProcess, Simulation } from '../../../src/testing/simulation/index.ts'
import type { Deed } from './messages.ts'
import { orders, plans, TOO_LARGE, views } from './messages.ts'
import type { OutboxPlan } from './plan.ts'

/** A process that writes. */
export interface Writer {
  readonly process: SimulatedProcess
  readonly client: InMemoryOutboxClient
  readonly outbox: Outbox<InMemoryTransaction>
}

/** What processes do to the database. */
export interface Writing {
  /** One transaction of this writer: whatever becomes of it. */
  transact(writer: Writer): Promise<void>
}

/** Thrown by who rolls back. */
class RolledBack extends Error {}

/** Makes {@link Writing}. */
export function createWriting(simulation: Simulation, plan: OutboxPlan): Writing {
  const { int, chance, note } = simulation
  let deeds = 0

  const draw = () => {
    const deed: Deed = { id: deeds++, by: `k${int(plan.keys)}`, ...(chance(plan.odds.tooLarge) && { pad: TOO_LARGE }) }
    const topic = chance(plan.odds.keyless) ? views : chance(plan.odds.unknown) ? plans : orders
    return { topic, value: deed, id: `m-${deed.id}` }
  }

  const enqueue = async ({ process, outbox }: Writer, tx: InMemoryTransaction): Promise<void> => {
    if (chance(0.3)) {
      const many = Array.from({ length: 1 + int(5) }, draw)
      note(`${process.name} enqueues ${many.map(({ id }) => id).join(', ')}`)
      await outbox.enqueueMany(tx, many)
      return
    }
    const { topic, value, id } = draw()
    note(`${process.name} enqueues ${id}`)
    if (topic !== views && chance(plan.odds.tombstone)) await outbox.enqueueTombstone(tx, topic, value.by, { id })
    else await outbox.enqueue(tx, topic, value, { id })
  }

  const work = async (writer: Writer, tx: InMemoryTransaction): Promise<void> => {
    const { process } = writer
    for (let i = int(3); i >= 0; i--) {
      if (chance(0.5)) await process.pause(int(60))
      if (!chance(plan.savepoint)) {
        await enqueue(writer, tx)
        continue
      }
      const isTakenBack = chance(0.5)
      await tx
        .savepoint(async () => {
          await enqueue(writer, tx)
          if (isTakenBack) throw new RolledBack()
        })
        .catch((error: unknown) => {
          if (!(error instanceof RolledBack)) throw error
        })
    }
    await process.pause(chance(plan.long) ? 200 + int(3_000) : int(20))
    if (chance(plan.rollback)) throw new RolledBack()
  }

  return {
    async transact(writer) {
      const { process, client } = writer
      try {
        await client.transact((tx) => work(writer, tx))
      } catch (error) {
        note(`${process.name} has rolled back: ${error instanceof RolledBack ? 'as it wanted' : String(error)}`)
      }
    },
  }
}
