import type { Message, MessageContext } from 'holdfast'
import type { Pool, PoolClient } from 'pg'

/** Runs `work` in one transaction: all of it is kept, or none. */
export async function inTransaction<T>(database: Pool, work: (tx: PoolClient) => Promise<T>): Promise<T> {
  const tx = await database.connect()
  let broken: Error | undefined
  const onBroken = (error: Error): void => void (broken = error)
  tx.on('error', onBroken) // the server may end it between two queries; unheard, that would end the process
  try {
    await tx.query('begin')
    const result = await work(tx)
    await tx.query('commit')
    return result
  } catch (error) {
    await tx.query('rollback').catch(onBroken)
    throw error
  } finally {
    tx.off('error', onBroken)
    tx.release(broken) // a connection that could not even roll back does not go back to the pool
  }
}

/** So often a transaction is tried that the database has ended for the sake of others: then it is worth telling somebody. */
const TRIES = 5
const DEADLOCK = '40P01'
const SERIALIZATION_FAILURE = '40001'

/** Tries a transaction again that the database has ended for the sake of others: nothing of it was kept. */
export async function repeated<T>(transact: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await transact()
    } catch (error) {
      const { code } = error as { readonly code?: unknown }
      if ((code !== DEADLOCK && code !== SERIALIZATION_FAILURE) || tries === TRIES) throw error
    }
  }
}

/** Where a service with an inbox keeps its marks: a table of its own, as with all else. */
export function inboxTable(service: string): string {
  return `${service.replaceAll('-', '_')}_inbox`
}

/** A message, and where it came from. */
export interface Received {
  readonly message: Pick<Message<{ orderId: string }>, 'id' | 'value'>
  readonly context: Pick<MessageContext, 'topic' | 'partition' | 'offset'>
}

/**
 * Writes down that a service has done its work for an event; the audit reads it. Always in the transaction of the work itself.
 *
 * @param kind - `done` when the work was done now; `known` when the service's own tables say that it had been done before.
 */
export async function recordEffect(
  tx: Pick<PoolClient, 'query'>,
  service: string,
  message: Received['message'],
  context: Received['context'],
  kind: 'done' | 'known' = 'done',
): Promise<void> {
  await recordEffects(tx, service, [{ message, context }], kind)
}

/** As {@link recordEffect}, for many at once. */
export async function recordEffects(
  tx: Pick<PoolClient, 'query'>,
  service: string,
  received: readonly Received[],
  kind: 'done' | 'known' = 'done',
): Promise<void> {
  await tx.query(
    `insert into effects (service, process, kind, topic, partition, log_offset, event_id, order_id)
     select $1, $2, $3, * from unnest($4::text[], $5::int[], $6::bigint[], $7::text[], $8::text[])`,
    [
      service,
      process.pid,
      kind,
      received.map(({ context }) => context.topic),
      received.map(({ context }) => context.partition),
      received.map(({ context }) => String(context.offset)),
      received.map(({ message }) => message.id),
      received.map(({ message }) => message.value.orderId),
    ],
  )
}
