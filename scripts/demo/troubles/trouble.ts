import type { Client } from 'pg'
import type { Fleet } from '../fleet.ts'
import type { Incident } from '../incidents.ts'

/** Something that goes wrong, or changes, while orders come. */
export interface Trouble {
  /** It begins when this part of the orders has been placed, and the one before it has ended. */
  readonly after: number
  run(scene: Scene): Promise<void>
}

/** Where it happens. */
export interface Scene {
  readonly fleet: Fleet
  /** For its own queries, one at a time. */
  readonly database: Client
  /** Says something to whoever watches. */
  readonly say: (text: string) => void
  /** Tells the audit what was done. */
  readonly note: (incident: Incident) => void
  readonly stop: AbortSignal
}

/** The database's clock, by which the effects are dated. */
export async function databaseMs(database: Client): Promise<number> {
  const { rows } = await database.query<{ ms: number }>(
    'select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms',
  )
  return rows[0]!.ms
}
