/** What a client asks of an in-memory outbox. */
export type InMemoryOutboxCall =
  | 'begin'
  | 'insert'
  | 'commit'
  | 'rollback'
  | 'lease'
  | 'release'
  | 'leave'
  | 'fetch'
  | 'writers'
  | 'sent'
  | 'setAside'
  | 'parkedKeys'
  | 'statistics'
  | 'list'
  | 'retry'
  | 'discard'
  | 'check'

/**
 * What a test does to the calls of a client: each of these may take time, or throw what the caller then gets. All that a call does to the database
 * is done at one moment, between `before` and `after`.
 */
export interface InMemoryOutboxFaults {
  /** The way there. Thrown: nothing has happened. */
  before?(call: InMemoryOutboxCall): void | Promise<void>
  /**
   * In the middle of what has more than one moment: an insert whose row ids are drawn and whose rows are not there yet (thrown: the statement has
   * failed, and its transaction with it), and `writers` between its two looks.
   */
  within?(call: 'insert' | 'writers'): void | Promise<void>
  /** The way back. Thrown: it has happened, and the answer is lost. */
  after?(call: InMemoryOutboxCall): void | Promise<void>
}

/** Does it, with the faults around it; an answer is never given in the turn of the question. */
export async function throughFaults<T>(
  faults: InMemoryOutboxFaults,
  call: InMemoryOutboxCall,
  effect: () => T | Promise<T>,
): Promise<T> {
  await faults.before?.(call)
  const answer = await effect()
  await faults.after?.(call)
  return answer
}
