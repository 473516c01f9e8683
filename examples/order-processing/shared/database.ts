import type { Message, MessageContext } from 'holdfast'
import type { Pool, PoolClient } from 'pg'

/** Runs `work` in one transaction: all of it is kept, or none. */
export async function inTransaction<T>(database: Pool, work: (tx: PoolClient) => Promise<T>): Promise<T> {
  const tx = await database.connect()
  let broken: Error | undefined
  try {
    await tx.query('begin')
    const result = await work(tx)
    await tx.query('commit')
    return result
  } catch (error) {
    await tx.query('rollback').catch((failure: Error) => (broken = failure))
    throw error
  } finally {
    tx.release(broken) // a connection that could not even roll back does not go back to the pool
  }
}

/**
 * Writes down that a service has done its work for an event; the audit reads it. Always in the transaction of the work itself, or
 * right after it where it happened outside the database.
 *
 * @param kind - `done` when the work was done now; `known` when the service's own tables say that it had been done before.
 */
export async function recordEffect(
  tx: Pick<PoolClient, 'query'>,
  service: string,
  message: Pick<Message<{ orderId: string }>, 'id' | 'value'>,
  context: Pick<MessageContext, 'topic'>,
  kind: 'done' | 'known' = 'done',
): Promise<void> {
  await tx.query('insert into effects (service, topic, event_id, order_id, kind) values ($1, $2, $3, $4, $5)', [
    service,
    context.topic,
    message.id,
    message.value.orderId,
    kind,
  ])
}
