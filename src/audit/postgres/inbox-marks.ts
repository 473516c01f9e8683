import { nameProblems, quoted } from '../../database/index.ts'
import type { Problem } from '../../errors/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import { dedupeIds, idHash } from '../../idempotency/index.ts'
import type { AuditLookup } from '../audit-source.ts'
import type { AuditConnection } from './audit-connection.ts'
import { askFor, connectionProblems } from './audit-connection.ts'

/** Whose marks. */
export interface InboxMarksOptions {
  readonly groupId: string
  /** Which handler of the group: the name of its topic, or its `dedupe.scope`. */
  readonly handler: string
  /** @defaultValue `public` */
  readonly schema?: string
  /** @defaultValue `holdfast_dedupe` */
  readonly table?: string
}

/**
 * The marks of an inbox, or of a dedupe store in PostgreSQL: what a handler of a group has done, or parked. Marks are forgotten after the inbox's
 * `ttlMs`: let the window begin later than that.
 *
 * @throws HOLDFAST_CONFIG_INVALID. While it is asked: HOLDFAST_CONFIG_INVALID when the table is not there, HOLDFAST_STORE_UNAVAILABLE
 */
export function inboxMarks(connection: AuditConnection, options: InboxMarksOptions): AuditLookup {
  const { groupId, handler, schema = 'public', table = 'holdfast_dedupe' } = options
  const isName = (path: string, name: unknown): readonly Problem[] =>
    typeof name === 'string' && name !== '' ? [] : [{ path, message: 'must be a name' }]
  const problems = [
    ...connectionProblems(connection),
    ...nameProblems('schema', schema),
    ...nameProblems('table', table),
    ...isName('groupId', groupId),
    ...isName('handler', handler),
  ]
  if (problems.length > 0)
    throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'inboxMarks: options do not fit', { problems })
  const idOf = dedupeIds({ groupId, handler })
  const marks = `${quoted(schema)}.${quoted(table)}`
  return {
    kind: 'lookup',
    name: `inbox ${schema}.${table}, group ${groupId}, handler ${handler}`,
    async find(ids) {
      const places = new Map(ids.map((id) => [idHash(idOf(id)).toString('hex'), id]))
      const rows = await askFor<{ readonly place: string; readonly outcome: 'handled' | 'parked' }>(
        connection,
        marks,
        `select encode(id, 'hex') as place, outcome from ${marks} where id = any($1::bytea[]) and outcome is not null`,
        [[...places.keys()].map((place) => Buffer.from(place, 'hex'))],
      )
      return new Map(rows.map(({ place, outcome }) => [places.get(place)!, outcome]))
    },
  }
}
