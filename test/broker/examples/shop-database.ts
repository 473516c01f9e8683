import { readFile } from 'node:fs/promises'
import pg from 'pg'
import type { Services } from '../../../scripts/services/index.ts'
import { startServices } from '../../helpers/services.ts'

/** The tables of the order-processing example on a real PostgreSQL. */
export interface ShopDatabase {
  /** A pool as one process of a service has it; its sessions have that name. */
  pool(name: string): pg.Pool
  close(): Promise<void>
}

/** Starts a PostgreSQL and makes the tables. */
export async function openShopDatabase(): Promise<ShopDatabase> {
  const services: Services = await startServices({ postgres: true, onProgress: () => {} })
  const pools: pg.Pool[] = []
  const pool = (name: string): pg.Pool => {
    const made = new pg.Pool({ connectionString: services.postgres!.url, application_name: name, max: 4 })
    made.on('error', () => undefined) // sessions are ended on purpose
    pools.push(made)
    return made
  }
  const schema = new URL('../../../examples/order-processing/schema.sql', import.meta.url)
  await pool('setup').query(await readFile(schema, 'utf8'))
  return {
    pool,
    async close() {
      await Promise.all(pools.map((each) => each.end()))
      await services.close()
    },
  }
}
