import type { AuditFact, AuditLookup, AuditScope, AuditSource, SourceNews } from './audit-source.ts'
import type { AuditPlace, AuditProgress, AuditRange, AuditReport, FindingKind } from './audit-report.ts'
import { FINDING_KINDS } from './audit-report.ts'
import type { AuditOptions, AuditSettings } from './audit-settings.ts'
import { auditSettings } from './audit-settings.ts'
import type { Entry } from './entry-bytes.ts'
import { ENTRY_BYTES, ENTRY_SORT_BYTES, SECTION, writeEntry } from './entry-bytes.ts'
import type { ExternalSort } from './external-sort.ts'
import { createExternalSort } from './external-sort.ts'
import { FACT_BYTES, FACT_SORT_BYTES, keyGroup, SIDE, writeFact } from './fact-bytes.ts'
import type { JudgedRange } from './judge.ts'
import { CHAIN, createJudge } from './judge.ts'
import type { KeyFile } from './key-file.ts'
import { createKeyFile } from './key-file.ts'
import type { MatchCounts } from './match.ts'
import { createMatcher } from './match.ts'
import type { OldestRanges } from './oldest-ranges.ts'
import { createOldestRanges } from './oldest-ranges.ts'

/** How many ids a lookup is asked for at a time. */
const LOOKUP_BATCH = 1_000

/**
 * Compares two sides, message by message: what the first has and the other has not (`missing`), what the other has more than once (`duplicate`), in
 * another order within its key (`reordered`), or alone (`extra`), and rows whose predecessor is nowhere (`gap`).
 *
 * It reads both sides once, in fixed memory: each fact is cut to some 80 bytes, sorted on disk, and joined. It writes to neither side. Sorting
 * keeps the thread for up to a second at a time. When it is ended, or its process dies, no file stays behind.
 *
 * @throws HOLDFAST_CONFIG_INVALID with every problem; the reason of `signal`; what a source throws.
 */
export async function audit(options: AuditOptions): Promise<AuditReport> {
  const settings = auditSettings(options)
  const { memoryBytes, folder, signal } = settings
  signal.throwIfAborted()
  const memory = Math.floor(memoryBytes / 2)
  const facts = createExternalSort({ entryBytes: FACT_BYTES, sortBytes: FACT_SORT_BYTES, memoryBytes: memory, folder })
  const entries = createExternalSort({
    entryBytes: ENTRY_BYTES,
    sortBytes: ENTRY_SORT_BYTES,
    memoryBytes: memory,
    folder,
  })
  let keys: KeyFile | null = null
  try {
    keys = settings.keys ? createKeyFile(folder) : null
    const put = (entry: Entry): void => entries.add((into, at) => writeEntry(entry, into, at))
    const read = await readBoth(settings, facts, put, keys)
    const counts = await match(settings, read, facts, put)
    const found = createOldestRanges(settings.show)
    const judge = createJudge(read.chainAfter, found.add)
    await walk(settings, 'judging', entries, judge.take)
    judge.end()
    return {
      ...reportOf(settings, found, keys),
      counts: {
        ...counts,
        ...perKind((kind) => found.messages(kind)),
        readFrom: read.from,
        readTo: read.to,
        withoutId: read.withoutId,
      },
      spilledBytes: facts.spilledBytes() + entries.spilledBytes() + (keys?.bytes() ?? 0),
      mostBytes: facts.mostBytes() + entries.mostBytes(),
    }
  } finally {
    facts.close()
    entries.close()
    keys?.close()
  }
}

/** What was learnt while both sides were read. */
interface BothRead {
  readonly from: number
  readonly to: number
  readonly withoutId: number
  /** What came to the first side after this may not have been read. */
  readonly asOfMs: number
  /** Facts of the first side from here on are all there; null: none can be known to be. */
  readonly wholeSinceMs: number | null
  readonly begins: ReadonlyMap<number, bigint>
  readonly chainAfter: bigint | null
}

async function readBoth(
  settings: AuditSettings,
  facts: ExternalSort,
  put: (entry: Entry) => void,
  keys: KeyFile | null,
): Promise<BothRead> {
  const { from, to, sinceMs, untilMs, marginMs, runtime, signal, onProgress } = settings
  const keyed = from.keyed && to.kind === 'facts' && to.keyed
  const begins = new Map<number, bigint>()
  const beginAt = new Map<number, bigint>()
  const read = { from: 0, to: 0 }
  let withoutId = 0
  let asOfMs = runtime.clock.now()
  let wholeSinceMs: number | null = -Infinity
  let chainAfter: bigint | null = null
  let lastBefore: bigint | null = null
  let least: bigint | null = null

  const writerOf = (side: 'from' | 'to'): ((fact: AuditFact) => void) => {
    const ordinals = new Map<number, number>()
    return (fact) => {
      const ordinal = ordinals.get(fact.line) ?? 0
      ordinals.set(fact.line, ordinal + 1)
      const keyAt = keys === null || fact.key === null ? 0 : keys.keep(fact.key)
      facts.add((into, at) => writeFact(fact, { side: SIDE[side], keyed, ordinal, keyAt }, into, at))
      read[side]++
      if (side === 'from' && fact.previous !== undefined) putChain(fact, keyAt)
    }
  }
  const putChain = (fact: AuditFact, keyAt: number): void => {
    const { order, previous, atMs, key } = fact
    put({ section: SECTION.chain, a: placeBytes(order), b: CHAIN.row, d: order, atMs, keyAt })
    if (sinceMs !== null && atMs < sinceMs && (lastBefore === null || order > lastBefore)) lastBefore = order
    if (least === null || order < least) least = order
    const inWindow = atMs >= (sinceMs ?? -Infinity) && atMs < (untilMs ?? Infinity)
    if (typeof previous !== 'bigint' || !inWindow) return
    const hash = key === null ? undefined : keyGroup(key)
    put({ section: SECTION.chain, a: placeBytes(previous), b: CHAIN.namedBy, d: order, atMs, keyAt, key: hash })
  }

  const readOne = async (
    source: AuditSource,
    side: 'from' | 'to',
    scope: Pick<AuditScope, 'sinceMs' | 'untilMs'>,
    take: (batch: readonly AuditFact[]) => void | Promise<void>,
  ): Promise<void> => {
    let expected: number | null = null
    const tell = (news: SourceNews): void => {
      if (news.kind === 'expected') expected = news.facts
      else if (news.kind === 'without-id') withoutId++
      else if (side === 'to') {
        if (news.kind === 'begins') begins.set(news.line, news.order)
      } else if (news.kind === 'as-of') asOfMs = news.atMs
      else if (news.kind === 'whole-since') wholeSinceMs = news.atMs
      else if (news.kind === 'chain-whole-after') chainAfter = news.order
    }
    let done = 0
    for await (const batch of source.read({ ...scope, beginAt, runtime, signal, tell })) {
      signal.throwIfAborted()
      await take(batch)
      onProgress({ stage: side, done: (done += batch.length), expected })
    }
    signal.throwIfAborted()
  }

  const writeFrom = writerOf('from')
  const writeTo = writerOf('to')
  const around = {
    sinceMs: sinceMs === null ? null : sinceMs - marginMs,
    untilMs: untilMs === null ? null : untilMs + marginMs,
  }
  await readOne(from, 'from', around, async (batch) => {
    for (const fact of batch) {
      writeFrom(fact)
      const { acknowledged } = fact
      if (acknowledged === undefined) continue
      const begin = beginAt.get(acknowledged.partition)
      if (begin === undefined || acknowledged.offset < begin) beginAt.set(acknowledged.partition, acknowledged.offset)
    }
    if (to.kind === 'lookup') for (const found of await lookUp(to, batch, signal)) writeTo(found)
  })
  // To its end, whatever the window: what was late is there.
  if (to.kind === 'facts')
    await readOne(to, 'to', { sinceMs: around.sinceMs, untilMs: null }, (batch) => batch.forEach(writeTo))

  const chainBefore: bigint | null = sinceMs === null ? null : (lastBefore ?? least)
  return { ...read, withoutId, asOfMs, wholeSinceMs, begins, chainAfter: later(chainAfter, chainBefore) }
}

function later(a: bigint | null, b: bigint | null): bigint | null {
  if (a === null || b === null) return a ?? b
  return a > b ? a : b
}

/** As facts of the other side, one for each id that is there. */
async function lookUp(
  to: AuditLookup,
  batch: readonly AuditFact[],
  signal: AbortSignal,
): Promise<readonly AuditFact[]> {
  const there: AuditFact[] = []
  const atMs = new Map(batch.map((fact) => [fact.id, fact.atMs]))
  const ids = [...atMs.keys()]
  for (let i = 0; i < ids.length; i += LOOKUP_BATCH) {
    const found = await to.find(ids.slice(i, i + LOOKUP_BATCH), signal)
    signal.throwIfAborted()
    for (const [id, outcome] of found) {
      const state = outcome === 'parked' ? 'parked' : 'due'
      there.push({ id, key: null, line: 0, order: 0n, atMs: atMs.get(id) ?? 0, state })
    }
  }
  return there
}

async function match(
  settings: AuditSettings,
  read: BothRead,
  facts: ExternalSort,
  put: (entry: Entry) => void,
): Promise<MatchCounts> {
  const { graceMs, extra } = settings
  const settledFromMs = read.asOfMs - graceMs
  const matcher = createMatcher(
    {
      sinceMs: settings.sinceMs ?? -Infinity,
      untilMs: settings.untilMs ?? Infinity,
      settledFromMs,
      extraSinceMs: extra ? (read.wholeSinceMs ?? Infinity) : Infinity,
      extraUntilMs: settledFromMs,
      begins: read.begins,
      skipTombstones: settings.to.kind === 'lookup',
    },
    put,
  )
  await walk(settings, 'matching', facts, matcher.take)
  return matcher.end()
}

/** Lets the event loop have its turn now and then, and ends when it shall. */
async function walk(
  { runtime, signal, onProgress }: AuditSettings,
  stage: AuditProgress['stage'],
  sorted: ExternalSort,
  take: (block: Buffer) => void,
): Promise<void> {
  const expected = sorted.count()
  const entryBytes = stage === 'matching' ? FACT_BYTES : ENTRY_BYTES
  let done = 0
  let sinceTurn = 0
  for (const block of sorted.sorted()) {
    take(block)
    done += block.length / entryBytes
    sinceTurn += block.length
    if (sinceTurn < TURN_BYTES) continue
    sinceTurn = 0
    onProgress({ stage, done, expected })
    await runtime.clock.turn()
    signal.throwIfAborted()
  }
  onProgress({ stage, done, expected })
}

const TURN_BYTES = 2 ** 20

function placeBytes(place: bigint): Buffer {
  const bytes = Buffer.alloc(16)
  bytes.writeBigUInt64BE(place)
  return bytes
}

function perKind<T>(of: (kind: FindingKind) => T): Readonly<Record<FindingKind, T>> {
  return Object.fromEntries(FINDING_KINDS.map((kind) => [kind, of(kind)])) as Record<FindingKind, T>
}

function reportOf(
  settings: AuditSettings,
  found: OldestRanges,
  keys: KeyFile | null,
): Omit<AuditReport, 'counts' | 'spilledBytes' | 'mostBytes'> {
  const { from, to, sinceMs, untilMs, graceMs } = settings
  return {
    clean: FINDING_KINDS.every((kind) => found.messages(kind) === 0),
    from: from.name,
    to: to.name,
    window: {
      since: sinceMs === null ? null : new Date(sinceMs),
      until: untilMs === null ? null : new Date(untilMs),
      graceMs,
    },
    findings: perKind((kind) => found.of(kind).map((range) => rangeOf(range, settings, keys))),
    ranges: perKind((kind) => found.ranges(kind)),
  }
}

function rangeOf(range: JudgedRange, settings: AuditSettings, keys: KeyFile | null): AuditRange {
  const { kind, count, first, last, oneKey, behind } = range
  const { from, to } = settings
  const isOfFrom = kind === 'missing' || kind === 'gap'
  const places = isOfFrom ? from.places : to.kind === 'facts' ? to.places : 'rows'
  const isOne = oneKey || count === 1
  const placeOf = (entry: JudgedRange['first']): AuditPlace => ({
    ...placeIn(places, entry.b, entry.d),
    ...(entry.place !== null && entry.place),
    ...(kind === 'reordered' && from.places === 'rows' && { rowId: entry.e }),
    at: new Date(entry.atMs),
  })
  return {
    kind,
    count,
    keyHash: isOne && first.key !== null ? first.key.toString('hex', 0, 8) : null,
    ...(keys !== null && isOne && first.keyAt > 0 && { key: keys.at(first.keyAt) }),
    first: kind === 'gap' ? { rowId: first.d, at: new Date(first.atMs) } : placeOf(first),
    last: kind === 'gap' ? { rowId: last.d, at: new Date(last.atMs) } : placeOf(last),
    ...(behind !== null && { behind: placeIn(from.places, first.c, behind) }),
  }
}

function placeIn(places: 'rows' | 'records', line: number, order: bigint): Omit<AuditPlace, 'at'> {
  return places === 'rows' ? { rowId: order } : { partition: line, offset: order }
}
