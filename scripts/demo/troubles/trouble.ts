import type { Client } from 'pg'
import type { RedisServer } from '../../services/index.ts'
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
  /** For its own queries. */
  readonly database: Client
  readonly redis: Redis
  /** Where the order API listens. */
  readonly api: string
  /** Lets the next part of the orders be placed, before the trouble has ended. */
  readonly moreOrders: () => void
  /** Says something to whoever watches. */
  readonly say: (text: string) => void
  /** Tells the audit what was done. */
  readonly note: (incident: Incident) => void
  readonly stop: AbortSignal
}

/** The Redis of the services. */
export interface Redis {
  readonly url: string
  /** Null for one that was given, and is not the demo's to kill. */
  readonly server: Pick<RedisServer, 'kill' | 'restart'> | null
}

/** The database's clock, by which the effects are dated. */
export async function databaseMs(database: Client): Promise<number> {
  const { rows } = await database.query<{ ms: number }>(
    'select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms',
  )
  return rows[0]!.ms
}

/** So many of them, for people. */
export function counted(count: number, one: string, many: string = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
