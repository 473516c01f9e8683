import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { onTestFinished } from 'vitest'
import type { AuditFact, AuditSource, SourceNews } from '../../src/audit/index.ts'

/** A fact of a test: a message by its id and key. */
export interface Told {
  readonly id: string
  readonly key?: string | null
  readonly line?: number
  readonly order: number
  readonly atMs?: number
  readonly state?: AuditFact['state']
  readonly previous?: number | null
  readonly acknowledged?: { readonly partition: number; readonly offset: number }
}

/** A source of these facts, in batches of a few. */
export function source(
  places: 'rows' | 'records',
  told: readonly Told[],
  options: { readonly keyed?: boolean; readonly news?: readonly SourceNews[]; readonly batch?: number } = {},
): AuditSource {
  const { keyed = true, news = [], batch = 7 } = options
  return {
    kind: 'facts',
    name: places,
    places,
    keyed,
    *read({ tell }) {
      for (const each of news) tell(each)
      for (let i = 0; i < told.length; i += batch) yield told.slice(i, i + batch).map(factOf)
    },
  }
}

function factOf({ id, key, line = 0, order, atMs = order, state, previous, acknowledged }: Told): AuditFact {
  return {
    id,
    key: key === undefined || key === null ? null : Buffer.from(key),
    line,
    order: BigInt(order),
    atMs,
    ...(state !== undefined && { state }),
    ...(previous !== undefined && { previous: previous === null ? null : BigInt(previous) }),
    ...(acknowledged && {
      acknowledged: { partition: acknowledged.partition, offset: BigInt(acknowledged.offset) },
    }),
  }
}

/** A folder of a test's own. It goes with the test. */
export function ownFolder(): string {
  mkdirSync('.tmp', { recursive: true })
  const folder = mkdtempSync('.tmp/audit-')
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A range as a line of text. */
export function shown(range: {
  readonly count: number
  readonly first: object
  readonly last: object
  readonly behind?: object
}): string {
  const { count, first, last, behind } = range
  const place = (of: object): string => {
    const { rowId, partition, offset } = of as { rowId?: bigint; partition?: number; offset?: bigint }
    const record = partition === undefined ? [] : [`${partition}@${offset}`]
    return [...(rowId === undefined ? [] : [`#${rowId}`]), ...record].join(' ')
  }
  return `${count}: ${place(first)} to ${place(last)}${behind === undefined ? '' : ` behind ${place(behind)}`}`
}
