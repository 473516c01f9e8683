import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import type { Outbox } from '../../../src/outbox/index.ts'
import { createOutbox } from '../../../src/outbox/index.ts'
import { postgresOutbox } from '../../../src/postgres.ts'
import type { Journal } from '../history/index.ts'
import { chaosTopic } from './chaos-topic.ts'
import type { JudgedMessage } from './judge-tables.ts'
import { numberMessages } from './judge-tables.ts'

/** A message to be enqueued. */
export interface ToEnqueue extends JudgedMessage {
  readonly pad: string
  readonly isTombstone: boolean
}

/** What one transaction does. */
export interface PlannedTransaction {
  readonly txn: string
  readonly messages: readonly ToEnqueue[]
  /** In one call, or one by one. */
  readonly isOneCall: boolean
  /** So many of them, from the first one, are rolled back to a savepoint. They are enqueued by themselves. */
  readonly rolledBackFirst: number
  readonly isRolledBack: boolean
  /** Between the last enqueue and the end: until it resolves. */
  readonly hold: () => Promise<unknown>
  /** Its messages get their numbers after that: until then nothing but the outbox keeps others of the key from overtaking it. */
  readonly isNumberedLate: boolean
}

/** Runs transactions that enqueue, and writes down how each has ended. */
export interface Enqueueing {
  /** Resolves when it has ended, however. */
  run(transaction: PlannedTransaction): Promise<void>
}

/** Makes an {@link Enqueueing} on a pool, for one topic. */
export function enqueueing(
  pool: pg.Pool,
  journal: Pick<Journal, 'write'>,
  options: { readonly topic: string; readonly canary: string; readonly notify: boolean },
): Enqueueing {
  const outbox = createOutbox({ store: postgresOutbox(pool, { notify: options.notify }), source: 'chaos' })
  const topic = chaosTopic(options.topic)

  const enqueue = async (client: pg.PoolClient, messages: readonly ToEnqueue[], isOneCall: boolean): Promise<void> => {
    const values = messages.filter(({ isTombstone }) => !isTombstone)
    if (isOneCall) {
      await (outbox as Outbox<pg.PoolClient>).enqueueMany(
        client,
        values.map(({ id, key, pad }) => ({ topic, value: { value: id, key, canary: options.canary, pad }, id })),
      )
      return
    }
    for (const { id, key, pad, isTombstone } of messages) {
      if (isTombstone) await outbox.enqueueTombstone(client, topic, key, { id })
      else await outbox.enqueue(client, topic, { value: id, key, canary: options.canary, pad }, { id })
    }
  }

  const work = async (client: pg.PoolClient, plan: PlannedTransaction): Promise<void> => {
    const { txn, messages, isOneCall, rolledBackFirst, hold, isNumberedLate } = plan
    const kept = messages.slice(rolledBackFirst)
    if (rolledBackFirst > 0) {
      await client.query('savepoint part')
      await enqueue(client, messages.slice(0, rolledBackFirst), false)
      await client.query('rollback to savepoint part')
    }
    await enqueue(client, kept, isOneCall)
    if (isNumberedLate) await hold()
    await numberMessages(client, txn, kept)
    if (!isNumberedLate) await hold()
  }

  return {
    async run(plan) {
      const { txn, isRolledBack } = plan
      const messages = plan.messages.length - plan.rolledBackFirst
      const ended = (result: 'committed' | 'rolled-back' | 'failed' | 'in-doubt', error?: unknown): void =>
        journal.write({
          f: 'transaction',
          txn,
          result,
          messages,
          ...(error === undefined ? {} : { code: codeOf(error) }),
        })
      let client: pg.PoolClient
      try {
        client = await pool.connect()
      } catch (error) {
        ended('failed', error)
        await sleep(RETRY_MS)
        return
      }
      client.on('error', ignore) // told by the query that fails, too
      const release = (isBroken: boolean): void => {
        client.off('error', ignore)
        client.release(isBroken)
      }
      let isCommitting = false
      try {
        await client.query('begin')
        await work(client, plan)
        isCommitting = !isRolledBack
        await client.query(isRolledBack ? 'rollback' : 'commit')
        ended(isRolledBack ? 'rolled-back' : 'committed')
        release(false)
      } catch (error) {
        ended(isCommitting ? 'in-doubt' : 'failed', error)
        // What is left of the transaction ends with its connection.
        release(true)
        await sleep(RETRY_MS)
      }
    },
  }
}

/** A database that is away is not asked in a loop. */
const RETRY_MS = 100

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const { code } = error as { readonly code?: unknown }
  return typeof code === 'string' ? code : error.name
}

function ignore(): void {}
