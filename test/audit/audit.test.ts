import { readdirSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { AuditLookup, AuditOptions, AuditReport } from '../../src/audit/index.ts'
import { audit } from '../../src/audit/index.ts'
import { systemRuntime } from '../../src/clock/index.ts'
import { seededRandom } from '../../src/testing/index.ts'
import { naiveAudit } from './naive-audit.ts'
import type { Told } from './world.ts'
import { ownFolder, shown, source } from './world.ts'

/** Rows of a few keys that were sent as they should be: key by key, row n at offset n − 1 of partition 0. */
const rows = (count: number, keys = 2): Told[] =>
  Array.from({ length: count }, (_, i) => ({
    id: `m${i + 1}`,
    key: `k${i % keys}`,
    order: i + 1,
    state: 'sent',
    acknowledged: { partition: 0, offset: i },
  }))
const recordsOf = (told: readonly Told[]): Told[] =>
  told.map(({ id, key }, i) => ({ id, order: i, atMs: i + 1, ...(key !== undefined && { key }) }))

async function auditOf(
  from: readonly Told[],
  to: readonly Told[],
  options: Partial<AuditOptions> = {},
): Promise<AuditReport> {
  return audit({ from: source('rows', from), to: source('records', to), graceMs: 0, ...options })
}
function found(report: AuditReport): Record<string, readonly string[]> {
  return Object.fromEntries(
    Object.entries(report.findings)
      .filter(([, ranges]) => ranges.length > 0)
      .map(([kind, ranges]) => [kind, ranges.map(shown)]),
  )
}

test('a clean run finds nothing, and says how much it looked at', async () => {
  const report = await auditOf(rows(1_000, 7), recordsOf(rows(1_000, 7)), { extra: true })
  expect(found(report)).toEqual({})
  expect(report).toMatchObject({
    clean: true,
    counts: { judged: 1_000, matched: 1_000, readFrom: 1_000, readTo: 1_000 },
  })
})

test('nothing on both sides is clean', async () => {
  expect(await auditOf([], [])).toMatchObject({ clean: true, counts: { judged: 0 } })
})

test('records that are lost are told as ranges of their key, with rows, places and times', async () => {
  const lost = new Set(['m3', 'm5', 'm7', 'm8', 'm11'])
  const report = await auditOf(
    rows(12),
    recordsOf(rows(12)).filter(({ id }) => !lost.has(id)),
  )
  expect(found(report)).toEqual({ missing: ['3: #3 0@2 to #7 0@6', '1: #8 0@7 to #8 0@7', '1: #11 0@10 to #11 0@10'] })
  expect(report.counts).toMatchObject({ judged: 12, matched: 7, missing: 5 })
  const [first, second] = report.findings.missing
  expect(first).toMatchObject({ first: { at: new Date(3) }, last: { at: new Date(7) } })
  expect(first!.keyHash).toMatch(/^[0-9a-f]{16}$/)
  expect(first!.keyHash).not.toBe(second!.keyHash)
  expect(first).not.toHaveProperty('key')
})

test('a batch that came twice is one range of its partition, whatever keys are in it; the first copies are none', async () => {
  const sent = rows(10)
  const again = [...sent.slice(0, 6), ...sent.slice(2, 6), ...sent.slice(6)]
  const report = await auditOf(sent, recordsOf(again))
  expect(found(report)).toEqual({ duplicate: ['4: 0@6 to 0@9'] })
  expect(report.findings.duplicate[0]!.keyHash).toBeNull()
})

test('a record that came behind a later one of its key is reordered; the one it came behind is named', async () => {
  const sent = rows(10)
  const order = [1, 2, 5, 4, 3, 6, 8, 10, 9, 7].map((n) => sent[n - 1]!)
  expect(found(await auditOf(sent, recordsOf(order)))).toEqual({
    reordered: ['1: #3 0@4 to #3 0@4 behind #5', '1: #7 0@9 to #7 0@9 behind #9'],
  })
})

test('late copies of what is on the log already are no disorder: first copies decide', async () => {
  const sent = rows(6, 1)
  const report = await auditOf(sent, recordsOf([...sent, sent[1]!, sent[2]!]))
  expect(found(report)).toEqual({ duplicate: ['2: 0@6 to 0@7'] })
})

test('messages without a key have no order, and are compared by their ids', async () => {
  const sent = rows(6).map((row) => ({ ...row, key: null }))
  const report = await auditOf(sent, recordsOf([...sent.slice(1).toReversed(), sent[4]!]))
  expect(found(report)).toEqual({ missing: ['1: #1 0@0 to #1 0@0'], duplicate: ['1: 0@5 to 0@5'] })
})

test('an id that came under another key is missing under its own', async () => {
  const report = await auditOf(rows(1), [{ id: 'm1', key: 'other', order: 0, atMs: 1 }], { extra: true })
  expect(found(report)).toEqual({ missing: ['1: #1 0@0 to #1 0@0'], extra: ['1: 0@0 to 0@0'] })
})

test('what is only on the topic is extra where that is asked for, and was not too young to be in the rows', async () => {
  const records = [
    ...recordsOf(rows(4)),
    { id: 'x', key: 'k0', order: 4, atMs: 3 },
    { id: 'y', key: 'k0', order: 5, atMs: 90 },
  ]
  const from = source('rows', rows(4), { news: [{ kind: 'as-of', atMs: 50 }] })
  expect(found(await auditOf([], records, { from }))).toEqual({})
  expect(found(await auditOf([], records, { from, extra: true }))).toEqual({ extra: ['1: 0@4 to 0@4'] })
  const purged = source('rows', rows(4), {
    news: [
      { kind: 'as-of', atMs: 50 },
      { kind: 'whole-since', atMs: 4 },
    ],
  })
  expect(found(await auditOf([], records, { from: purged, extra: true }))).toEqual({})
  const unkept = source('rows', rows(4), { news: [{ kind: 'whole-since', atMs: null }] })
  expect(found(await auditOf([], records, { from: unkept, extra: true }))).toEqual({})
  const foreign = records.map((record) => ({ ...record, state: 'foreign' as const }))
  expect(found(await auditOf([], foreign, { from, extra: true }))).toEqual({})
})

test('a row that waits is missing only when it is older than the grace; a sent one at once', async () => {
  const from = source(
    'rows',
    [
      { id: 'old', key: 'k', order: 1, atMs: 60 },
      { id: 'young', key: 'k', order: 2, atMs: 61 },
      { id: 'sent', key: 'k', order: 3, atMs: 99, state: 'sent' },
    ],
    { news: [{ kind: 'as-of', atMs: 100 }] },
  )
  const report = await auditOf([], [], { from, graceMs: 40 })
  expect(found(report)).toEqual({ missing: ['1: #1 to #1', '1: #3 to #3'] })
  expect(report.counts).toMatchObject({ young: 1, missing: 2 })
})

test('what was parked, discarded, or has left the topic with its age is counted apart', async () => {
  const from: Told[] = [
    { id: 'a', key: 'k', order: 1, state: 'parked' },
    { id: 'b', key: 'k', order: 2, state: 'discarded' },
    { id: 'c', key: 'k', order: 3, state: 'sent', acknowledged: { partition: 1, offset: 9 } },
    { id: 'd', key: 'k', order: 4, state: 'sent', acknowledged: { partition: 1, offset: 10 } },
    { id: 'e', key: 'k', order: 5, state: 'tombstone' },
  ]
  const to = source('records', [], { news: [{ kind: 'begins', line: 1, order: 10n }] })
  const report = await auditOf(from, [], { to })
  expect(found(report)).toEqual({ missing: ['2: #4 1@10 to #5'] })
  expect(report.counts).toMatchObject({ parked: 1, discarded: 1, expired: 1, tombstones: 0 })
})

test('a row whose predecessor is in no table is a gap, unless that may have been deleted with its age', async () => {
  const chained = rows(8, 1).map((row) => ({ ...row, previous: row.order === 1 ? null : row.order - 1 }))
  const left = chained.filter(({ order }) => order !== 3 && order !== 6)
  const gaps = await auditOf(left, recordsOf(left))
  expect(found(gaps)).toEqual({ gap: ['1: #4 to #4 behind #3', '1: #7 to #7 behind #6'] })
  const from = source('rows', left, { news: [{ kind: 'chain-whole-after', order: 3n }] })
  expect(found(await auditOf([], recordsOf(left), { from }))).toEqual({ gap: ['1: #7 to #7 behind #6'] })
})

test('a window judges what happened in it, and what straddles its edges is looked at, not judged', async () => {
  const chained = rows(10, 1).map((row) => ({ ...row, previous: row.order === 1 ? null : row.order - 1 }))
  const window = { sinceMs: 4, untilMs: 8, marginMs: 2 }
  const whole = await auditOf(chained, recordsOf(chained), { ...window, extra: true })
  expect(found(whole)).toEqual({})
  expect(whole.counts).toMatchObject({ judged: 4, matched: 4 })
  const empty = await auditOf(chained, [], window)
  expect(found(empty)).toEqual({ missing: ['4: #4 0@3 to #7 0@6'] })
  // Row 3 lies before the window and came behind row 5: that is the other window's to tell. Row 4 behind row 8 is this one's.
  const order = [1, 2, 5, 3, 6, 7, 8, 4, 9, 10].map((n) => chained[n - 1]!)
  expect(found(await auditOf(chained, recordsOf(order), window))).toEqual({
    reordered: ['1: #4 0@7 to #4 0@7 behind #8'],
  })
  const cut = chained.filter(({ order: row }) => row >= 3) // what a source gives that reads from the margin on
  expect(found(await auditOf(cut, recordsOf(cut), window))).toEqual({})
})

test('the other side is asked for the window with its margin, and for where rows were acknowledged', async () => {
  const asked: unknown[] = []
  const listening = (name: string, told: readonly Told[]): AuditOptions['from'] => {
    const real = source('rows', told)
    return {
      ...real,
      read(scope) {
        asked.push([name, scope.sinceMs, scope.untilMs, [...scope.beginAt]])
        return real.read(scope)
      },
    }
  }
  const told = rows(3).map((row) => ({ ...row, acknowledged: { partition: 2, offset: 50 - row.order } }))
  await audit({ from: listening('from', told), to: listening('to', []), sinceMs: 1_000, untilMs: 2_000, marginMs: 100 })
  expect(asked).toEqual([
    ['from', 900, 2_100, []],
    ['to', 900, null, [[2, 47n]]],
  ])
})

test('a mirror of what was doubled is as it should be, and is told as repeated', async () => {
  const twice = recordsOf([...rows(3), ...rows(3)])
  const from = source('records', twice)
  const same = await audit({ from, to: source('records', twice), graceMs: 0 })
  expect(found(same)).toEqual({})
  expect(same.counts).toMatchObject({ judged: 3, repeated: 3 })
  const thrice = await audit({
    from,
    to: source('records', recordsOf([...rows(3), ...rows(3), ...rows(1)])),
    graceMs: 0,
  })
  expect(found(thrice)).toEqual({ duplicate: ['1: 0@6 to 0@6'] })
})

test('a lookup is asked for each id, a thousand at a time; parked marks and skipped tombstones are told apart', async () => {
  const marks = new Map<string, 'handled' | 'parked'>(rows(2_500).map(({ id }) => [id, 'handled']))
  marks.set('m7', 'parked')
  for (const id of ['m1', 'm40', 'm42', 'm2400']) marks.delete(id)
  const asked: number[] = []
  const to: AuditLookup = {
    kind: 'lookup',
    name: 'inbox',
    find(ids) {
      asked.push(ids.length)
      return Promise.resolve(new Map(ids.flatMap((id) => (marks.has(id) ? [[id, marks.get(id)!]] : []))))
    },
  }
  const records = recordsOf([...rows(2_500), ...rows(2)]).map((record): Told =>
    record.order === 0 ? { ...record, state: 'tombstone' } : record,
  )
  const from = source('records', records, { batch: 2_502 })
  const report = await audit({ from, to, graceMs: 0 })
  expect(asked).toEqual([1_000, 1_000, 500])
  expect(found(report)).toEqual({
    missing: ['1: 0@39 to 0@39', '1: 0@41 to 0@41', '1: 0@2399 to 0@2399'],
  })
  expect(report.counts).toMatchObject({ parked: 1, tombstones: 1, repeated: 2, judged: 2_500, matched: 2_496 })
})

test('keys are told only when they are asked for', async () => {
  const report = await auditOf(rows(4), [], { keys: true, memoryBytes: 4_096 })
  expect(report.findings.missing.map(({ key }) => Buffer.from(key!).toString())).toEqual(['k0', 'k1'])
})

test('only the oldest ranges are listed, and all are counted', async () => {
  const sent = rows(1_000, 1_000)
  const report = await auditOf(sent, [], { show: 3 })
  expect(report.findings.missing.map(({ first }) => first.rowId)).toEqual([1n, 2n, 3n])
  expect([report.counts.missing, report.ranges.missing]).toEqual([1_000, 1_000])
  expect((await auditOf(sent, [], { show: 0 })).findings.missing).toEqual([])
})

test('progress is told for each stage to its end', async () => {
  const told = new Map<string, number>()
  await auditOf(rows(20), recordsOf(rows(20)), { onProgress: ({ stage, done }) => void told.set(stage, done) })
  expect([...told]).toEqual([
    ['from', 20],
    ['to', 20],
    ['matching', 40],
    ['judging', 40],
  ])
})

test.each(['from', 'to', 'matching'] as const)(
  'an audit that is ended while it is at "%s" leaves no file',
  async (at) => {
    const folder = ownFolder()
    const stop = new AbortController()
    const sent = rows(20_000)
    const ended = auditOf(sent, recordsOf(sent), {
      folder,
      memoryBytes: 65_536,
      signal: stop.signal,
      onProgress: ({ stage }) => {
        if (stage === at) stop.abort(new Error('enough'))
      },
    })
    await expect(ended).rejects.toThrow('enough')
    expect(readdirSync(folder)).toEqual([])
  },
)

test('what a source throws is thrown on, and no file is left', async () => {
  const folder = ownFolder()
  const real = source('rows', rows(5_000))
  const from: AuditOptions['from'] = {
    ...real,
    *read(scope) {
      yield* real.read(scope) as Iterable<never>
      throw new Error('the server is gone')
    },
  }
  await expect(auditOf([], [], { from, folder, memoryBytes: 4_096 })).rejects.toThrow('the server is gone')
  expect(readdirSync(folder)).toEqual([])
})

test('options that do not fit are told all at once', async () => {
  const none = { kind: 'none' } as unknown as AuditOptions['from']
  const unfit = { from: none, to: none, sinceMs: 5, untilMs: 5, graceMs: -1, marginMs: NaN, memoryBytes: 1, show: 0.5 }
  await expect(audit(unfit)).rejects.toMatchObject({
    code: 'HOLDFAST_CONFIG_INVALID',
    problems: ['from', 'to', 'untilMs', 'graceMs', 'marginMs', 'memoryBytes', 'show'].map((path) =>
      expect.objectContaining({ path }),
    ),
  })
})

test('however many messages, they are held in the memory given: the rest is on disk', async () => {
  const folder = ownFolder()
  const count = 200_000
  const facts = function* (places: 'rows' | 'records'): Generator<readonly Told[]> {
    for (let i = 0; i < count; i += 1_000)
      yield Array.from({ length: 1_000 }, (_, j): Told => {
        const n = i + j
        return places === 'rows' && n === 123_456
          ? { id: `lost`, key: 'hot', order: n }
          : { id: `m${n}`, key: n % 2 === 0 ? 'hot' : `k${n % 1_000}`, order: n }
      })
  }
  const side = (places: 'rows' | 'records'): AuditOptions['from'] => ({
    ...source(places, []),
    async *read(scope) {
      for (const batch of facts(places)) yield* source(places, batch, { batch: 1_000 }).read(scope)
    },
  })
  const memoryBytes = 2 ** 20
  const report = await audit({ from: side('rows'), to: side('records'), graceMs: 0, memoryBytes, folder, extra: true })
  expect(found(report)).toEqual({ missing: ['1: #123456 to #123456'], extra: ['1: 0@123456 to 0@123456'] })
  expect(report.mostBytes).toBeLessThanOrEqual(memoryBytes)
  expect(report.spilledBytes).toBeGreaterThan(50 * memoryBytes)
  expect(readdirSync(folder)).toEqual([])
}, 120_000)

const KINDS = ['missing', 'duplicate', 'reordered', 'extra', 'gap'] as const

test('it finds what a naive audit in memory finds, range by range, whatever happened and however little memory there is', async () => {
  const folder = ownFolder()
  let findings = 0
  await fc.assert(
    fc.asyncProperty(fc.nat(), async (seed) => {
      const random = seededRandom(seed)
      const below = (n: number): number => Math.floor(random() * n)
      const pick = <T>(of: readonly T[]): T => of[below(of.length)]!
      const keys = ['a', 'b', 'c', null].slice(0, 1 + below(4))
      const from: Told[] = []
      const lastOf = new Map<string | null, number>()
      for (let order = 1, count = below(60); order <= count; order++) {
        const key = pick(keys)
        const state = pick(['due', 'sent', 'sent', 'sent', 'parked', 'discarded'] as const)
        const acknowledged = { partition: below(2), offset: below(30) }
        const row: Told = {
          id: random() < 0.05 ? pick(['m1', 'm2']) : `m${order}`,
          key,
          order,
          atMs: order + below(5),
          state,
          ...(random() < 0.5 && { acknowledged }),
          previous: lastOf.get(key) ?? null,
        }
        lastOf.set(key, order)
        if (random() < 0.95) from.push(row)
      }
      // Mostly in order; now and then lost, doubled, late, of nobody, or in another partition.
      const line = from.map((row, i) => ({ row, place: i + (random() < 0.1 ? below(10) : 0) }))
      const sent = line.filter(() => random() > 0.1).toSorted((a, b) => a.place - b.place)
      const written = sent.flatMap(({ row }) => (random() < 0.1 ? [row, pick(sent).row] : [row]))
      const next = [below(3), below(3)]
      const to = written.map(({ id, key, atMs = 0 }): Told => {
        const partition = key === 'b' || random() < 0.05 ? 1 : 0
        const order = next[partition]!
        next[partition] = order + 1 + (random() < 0.2 ? below(3) : 0)
        return {
          id: random() < 0.05 ? `x${below(3)}` : id,
          key: key ?? null,
          line: partition,
          order,
          atMs: atMs + below(3),
          ...(random() < 0.05 && { state: 'foreign' as const }),
        }
      })
      const sinceMs = random() < 0.5 ? undefined : below(20)
      const untilMs = random() < 0.5 ? undefined : 20 + below(60)
      const asOfMs = 30 + below(40)
      const graceMs = below(20)
      const extra = random() < 0.5
      const begins = new Map([[0, below(10)]])
      const report = await audit({
        from: source('rows', from, { news: [{ kind: 'as-of', atMs: asOfMs }] }),
        to: source('records', to, { news: [{ kind: 'begins', line: 0, order: BigInt(begins.get(0)!) }] }),
        ...(sinceMs !== undefined && { sinceMs }),
        ...(untilMs !== undefined && { untilMs }),
        graceMs,
        extra,
        show: 1_000,
        memoryBytes: pick([4_096, 8_192, 1_000_000]),
        folder,
      })
      const naive = naiveAudit(from, to, {
        sinceMs: sinceMs ?? -Infinity,
        untilMs: untilMs ?? Infinity,
        asOfMs,
        graceMs,
        extra,
        begins,
      })
      for (const kind of KINDS) {
        if (kind === 'gap' && sinceMs !== undefined) continue // near the window's beginning predecessors are not judged
        expect([kind, ...report.findings[kind].map(shown).toSorted()]).toEqual([kind, ...naive[kind].toSorted()])
        findings += naive[kind].length
      }
    }),
    { numRuns: 500 },
  )
  expect(findings).toBeGreaterThan(1_000) // else it has compared nothing with nothing
  expect(readdirSync(folder)).toEqual([])
}, 60_000)

test('the clock of the process is what the grace is held against, where a source tells no other', async () => {
  const runtime = { ...systemRuntime, clock: { ...systemRuntime.clock, now: () => 100 } }
  const waiting: Told[] = [
    { id: 'a', key: 'k', order: 1, atMs: 50 },
    { id: 'b', key: 'k', order: 2, atMs: 80 },
  ]
  expect(found(await auditOf(waiting, [], { runtime, graceMs: 30 }))).toEqual({ missing: ['1: #1 to #1'] })
})
