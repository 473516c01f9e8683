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
