/** A row that Kafka has refused. Neither value nor headers are shown: they are payload. */
export interface ParkedRow {
  readonly rowId: bigint
  /** The message's id: names the row in {@link OutboxOperations.retry} and {@link OutboxOperations.discard}. */
  readonly id: string
  readonly topic: string
  readonly key: Uint8Array | null
  readonly bytes: number
  readonly enqueuedAt: Date
  readonly parkedAt: Date
  readonly code: string
  readonly reason: string
  /** How many rows of its key wait behind it. */
  readonly behind: number
}

/** Which parked rows: one by its message id, those of a topic, or all. */
export type ParkedSelection =
  | { readonly kind: 'message'; readonly id: string }
  | { readonly kind: 'topic'; readonly topic: string }
  | { readonly kind: 'all' }

/** What an operation has done. */
export interface OperationResult {
  /** Parked rows that were put back, or are gone. */
  readonly parked: number
  /** Rows behind them that wait to be sent again. */
  readonly released: number
}

/** What operators do with rows that were set aside. Relays at work notice within a third of their lease. */
export interface OutboxOperations {
  /** Oldest first. */
  list(options: { readonly topic?: string; readonly limit: number }): Promise<readonly ParkedRow[]>
  /** Puts rows back to be sent, before those behind them. */
  retry(selection: ParkedSelection): Promise<OperationResult>
  /**
   * Gives parked rows up: they are never sent. What waits behind them is sent.
   *
   * Where rows are kept, marked, they are kept as discarded.
   */
  discard(selection: ParkedSelection): Promise<OperationResult>
}
