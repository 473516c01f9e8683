/** What the database says of itself, by PostgreSQL's code. */
export interface InMemoryDatabaseError extends Error {
  /** SQLSTATE: `40P01` a deadlock, `25P02` a transaction that has failed before, `57P01` the connection was ended. */
  readonly code: string
}

/** Makes one. */
export function databaseError(code: string, message: string): InMemoryDatabaseError {
  return Object.assign(new Error(message), { code })
}
