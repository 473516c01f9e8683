/** Runs one statement, with `$1` for its first value. */
export type Query = (statement: string, values: readonly unknown[]) => Promise<readonly unknown[]>

/** How an inbox uses a database client, whichever it is. */
export interface Transactions<Tx> {
  /**
   * Does the work in one transaction, on a connection taken for it: committed when the work resolves, rolled back when it rejects. Rejects
   * with what the work, or the client, rejects with. When the signal aborts the connection may be destroyed at once.
   */
  transact<T>(work: (tx: Tx, query: Query) => Promise<T>, limits: TransactionLimits): Promise<T>
  /** Runs a statement by itself, on another connection. */
  readonly query: Query
  /**
   * What becomes of a transaction whose handler is out of time: its backend is ended, or only the statement under way. A client that nobody listens to
   * ends its process when its backend ends.
   */
  readonly outOfTime: 'terminate' | 'cancel'
  /** How many connections there are at most; null when nobody knows. */
  readonly maxConnections: number | null
}

/** How long a transaction may last. */
export interface TransactionLimits {
  readonly signal: AbortSignal
  /** In milliseconds: no transaction is at work for longer before the signal aborts. For clients that end long transactions themselves. */
  readonly idleTimeoutMs: number
}
