/** The SQLSTATE of an error of PostgreSQL, whichever client brings it and however deep it is wrapped. */
export function sqlStateOf(error: unknown): string | null {
  let each = error
  for (let depth = 0; depth < MOST_CAUSES && typeof each === 'object' && each !== null; depth++) {
    const state = stateIn(each)
    if (state !== null) return state
    each = fieldOf(Reflect.get(each, 'meta'), 'driverAdapterError') ?? Reflect.get(each, 'cause')
  }
  return null
}

const MOST_CAUSES = 5

function stateIn(error: object): string | null {
  const codes = [
    fieldOf(Reflect.get(error, 'meta'), 'code'), // where Prisma's engines put the database's own code
    Reflect.get(error, 'originalCode'), // where its driver adapters do
    Reflect.get(error, 'code'),
  ]
  const state = codes.find(isState)
  return typeof state === 'string' ? state : null
}

/** Prisma's own codes look like those of the database, and say less: that of a collision alone is taken. */
function isState(code: unknown): boolean {
  if (typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code) || !/\d/.test(code)) return false
  return !/^P[1-9]\d{3}$/.test(code) || code === 'P2034'
}

function fieldOf(holder: unknown, name: string): unknown {
  return typeof holder === 'object' && holder !== null ? Reflect.get(holder, name) : undefined
}

/** The database has ended the transaction for the sake of others: serialization_failure, deadlock_detected, lock_not_available; Prisma's word for them. */
export function isCollision(state: string | null): boolean {
  return state !== null && ['40001', '40P01', '55P03', 'P2034'].includes(state)
}

/** undefined_table, undefined_column, invalid_schema_name */
export function isMissing(state: string | null): boolean {
  return state === '42P01' || state === '42703' || state === '3F000'
}

/**
 * It is the database that cannot go on, and no fault of a statement: connection (08), resources (53), shutdown and crash (57, but for a
 * statement that was cancelled), system (58, XX), and a server that only reads, as after a failover (25006).
 */
export function isOutage(state: string | null): boolean {
  if (state === null || state === '57014') return false
  return /^(08|53|57|58|XX)/.test(state) || state === '25006'
}

/** A statement of the transaction has failed: nothing more can be done in it. */
export function isFailedTransaction(state: string | null): boolean {
  return state === '25P02'
}
