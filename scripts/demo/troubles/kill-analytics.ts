import type { Client } from 'pg'
import { killInTheMiddle } from './kill-in-the-middle.ts'
import type { Trouble } from './trouble.ts'
import { counted } from './trouble.ts'

/** Kills the service that counts at most once in the middle of a batch, and starts it again: that batch is missed. */
export const killAnalytics: Trouble = {
  after: 0.52,
  run: (scene) =>
    killInTheMiddle(
      'analytics',
      () => openBatches(scene.database),
      ({ length }) => `in the middle of ${counted(length, 'batch', 'batches')}`,
      scene,
    ),
}

async function openBatches(database: Client): Promise<readonly number[]> {
  const { rows } = await database.query<{ pid: number }>(
    "select pid from pg_stat_activity where application_name = 'analytics' and state = 'idle in transaction'",
  )
  return rows.map(({ pid }) => pid)
}
