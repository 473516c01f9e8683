/** The part of a [pg](https://www.npmjs.com/package/pg) `Pool` that is used here. A `Client` would do, and all calls would wait in one line. */
export interface PostgresPool {
  query(
    text: string,
    values: unknown[],
  ): Promise<{ readonly rows: readonly unknown[]; readonly rowCount: number | null }>
}

/** Is it something that can be asked? */
export function isPostgresPool(pool: unknown): pool is PostgresPool {
  return typeof pool === 'object' && pool !== null && typeof Reflect.get(pool, 'query') === 'function'
}

/** The SQLSTATE of an error of PostgreSQL, whichever client brings it. */
export function sqlStateOf(error: unknown): string | null {
  if (typeof error !== 'object' || error === null) return null
  const code: unknown = Reflect.get(error, 'code')
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : null
}
