import { describe, expect, test } from 'vitest'
import { parseDemoArguments } from '../../scripts/demo/arguments.ts'
import type { Findings, Place } from '../../scripts/demo/audit.ts'
import type { AuditJson, Known } from '../../scripts/demo/holdfast-audit.ts'
import { verdictsOf } from '../../scripts/demo/holdfast-audit.ts'
import { decodeCommit } from '../../scripts/kafka-log/index.ts'
import { planOrders } from '../../scripts/demo/order-plan.ts'
import { createPace } from '../../scripts/demo/pace.ts'
import { progressLine } from '../../scripts/demo/progress.ts'
import { isBroken, reportJson, reportTable } from '../../scripts/demo/report.ts'
import type { RecordedSpan } from '../../scripts/demo/trace-tree.ts'
import { drawTrace, readSpans, tellingTrace } from '../../scripts/demo/trace-tree.ts'

describe('arguments', () => {
  test('without any there are 300 orders and seed 1', () => {
    expect(parseDemoArguments([])).toEqual({
      kind: 'run',
      orders: 300,
      seed: 1,
      serve: false,
      json: false,
      reset: false,
    })
  })

  test('both ways of writing a value are taken', () => {
    expect(parseDemoArguments(['--orders', '20', '--seed=7', '--json'])).toMatchObject({
      orders: 20,
      seed: 7,
      json: true,
    })
  })

  test('all that is wrong is said at once', () => {
    expect(parseDemoArguments(['--orders', '0', '--seed', 'x', '--jsn', '--serve=1', 'more'])).toEqual({
      kind: 'wrong',
      problems: [
        'unknown option: --jsn',
        '--serve takes no value',
        'unexpected argument: more',
        '--orders takes a whole number from 1 to 100000',
        '--seed takes a whole number from 0 to 999999999',
      ],
    })
  })

  test('a value that is missing is a problem, not the default', () => {
    expect(parseDemoArguments(['--orders'])).toMatchObject({ kind: 'wrong' })
  })

  test('--help wins over everything that fits', () => {
    expect(parseDemoArguments(['--orders', '5', '--help'])).toEqual({ kind: 'help' })
  })
})

describe('the plan', () => {
  test('is the same for the same seed, and another for another', () => {
    expect(planOrders(50, 3)).toEqual(planOrders(50, 3))
    expect(planOrders(50, 3).orders[0]).not.toEqual(planOrders(50, 4).orders[0])
  })

  test('has each kind of pill, all of them before the last order, however few orders there are', () => {
    for (const count of [1, 20, 300]) {
      const { pills } = planOrders(count, 1)
      expect(new Set(pills.map((pill) => pill.what))).toEqual(new Set(['broken JSON', 'other schema', 'keyless bytes']))
      expect(pills.every((pill) => pill.afterOrders < count)).toBe(true)
    }
  })

  test('wants more of what is scarce than there is', () => {
    const wanting = planOrders(300, 1).orders.filter((order) =>
      order.items.some((item) => item.sku === 'signed-poster'),
    )
    expect(wanting.length).toBeGreaterThan(10)
  })
})

describe('progress', () => {
  test('is one line that is written over on a terminal, and never wraps', () => {
    const written: string[] = []
    const line = progressLine({ isTTY: true, columns: 10, write: (text) => written.push(text) })
    line.update('one')
    line.update('one')
    line.update('a line too long')
    line.note('kept')
    line.done()
    expect(written).toEqual(['\r\u001b[Kone', '\r\u001b[Ka line to', '\r\u001b[Kkept\na line to', '\n'])
  })

  test('is a plain line now and then elsewhere, so that a log is not flooded', () => {
    const written: string[] = []
    let now = 0
    const line = progressLine({ write: (text) => written.push(text) }, () => now)
    line.update('one')
    line.update('two')
    now = 3_000
    line.update('three')
    line.note('kept')
    line.done()
    expect(written).toEqual(['one\n', 'three\n', 'kept\n'])
  })
})

describe('the pace', () => {
  test('places the orders of a leg one after the other, and none of the next before its time', async () => {
    let now = 0
    const pace = createPace(6, 3, () => now)
    const isDue = (order: number): Promise<boolean> => {
      const due = pace.turnOf(order, AbortSignal.timeout(0))
      return due.then(
        () => true,
        () => false,
      )
    }
    expect([await isDue(0), await isDue(1), await isDue(2)]).toEqual([true, false, false])
    now = 60_000
    expect([await isDue(1), await isDue(2)]).toEqual([true, false])
    pace.nextLeg()
    expect([await isDue(2), await isDue(3)]).toEqual([true, false])
    now = 120_000
    expect([await isDue(3), await isDue(4)]).toEqual([true, false])
  })
})

describe('the journal of commits', () => {
  const text = (value: string): Buffer => {
    const length = Buffer.alloc(2)
    length.writeInt16BE(value.length)
    return Buffer.concat([length, Buffer.from(value)])
  }

  test('is read in Kafka’s own format', () => {
    const key = Buffer.concat([Buffer.from([0, 1]), text('inventory'), text('order-events'), Buffer.from([0, 0, 0, 5])])
    const value = Buffer.from([0, 3, 0, 0, 0, 0, 0, 0, 1, 2, 255, 255, 255, 255, 0, 0])
    expect(decodeCommit(key, value)).toEqual({
      group: 'inventory',
      topic: 'order-events',
      partition: 5,
      offset: 258n,
    })
  })

  test('what it says of members is passed over', () => {
    expect(decodeCommit(Buffer.concat([Buffer.from([0, 2]), text('inventory')]), Buffer.alloc(40))).toBeUndefined()
  })
})

describe('the report', () => {
  const findings: Findings = {
    orders: 3,
    givenUp: 1,
    givenUpStored: 0,
    outcomes: { delivered: 2, 'cancelled: out-of-stock': 1 },
    parked: { 'decode-failed': 4 },
    skipped: 0,
    lost: [],
    missed: [],
    repeated: [],
    doubled: [],
    parkedTwice: [{ service: 'payment', what: 'inventory-events[0]@2 parked 2 times', cause: 'killed' }],
    outOfOrder: [],
    misbooked: [],
    unmarked: [],
    untold: [],
    outbox: { sent: 7, sentAgain: 2, missing: [], reordered: [], unfounded: [] },
    commitsBack: [],
    repeatedEvents: 0,
    recounted: 0,
  }

  const inJson = (different: Partial<Findings>, ...problems: readonly string[]): unknown =>
    JSON.parse(reportJson({ ...findings, ...different }, problems))

  test('in JSON counts what was found', () => {
    expect(inJson({})).toEqual({
      orders: 3,
      outcomes: { delivered: 2, 'cancelled: out-of-stock': 1 },
      parked: { 'decode-failed': 4 },
      lost: 0,
      missed: 0,
      repeated: 0,
      doubled: 0,
      parkedTwice: 1,
      unexplained: 0,
      outOfOrder: 0,
      misbooked: 0,
      unmarked: 0,
      untold: 0,
      commitsBack: 0,
      outbox: { sent: 7, sentAgain: 2, missing: 0, reordered: 0, unfounded: 0 },
      problems: 0,
    })
  })

  test('in JSON leaves out nothing that fails the run', () => {
    expect(inJson({ lost: ['x'] })).toMatchObject({ lost: 1 })
    expect(inJson({ outOfOrder: ['x'] })).toMatchObject({ outOfOrder: 1 })
    expect(inJson({ misbooked: ['x'] })).toMatchObject({ misbooked: 1 })
    expect(inJson({ commitsBack: ['x'] })).toMatchObject({ commitsBack: 1 })
    expect(inJson({ unmarked: ['x'], untold: ['x', 'y'] })).toMatchObject({ unmarked: 1, untold: 2 })
    expect(inJson({ missed: unexplained })).toMatchObject({ missed: 1, unexplained: 1 })
    expect(inJson({ doubled: explained })).toMatchObject({ doubled: 1, unexplained: 0 })
    expect(inJson({ repeated: unexplained, parkedTwice: unexplained })).toMatchObject({ repeated: 1, unexplained: 2 })
    const outbox = { ...findings.outbox, missing: ['x'], reordered: ['x', 'y'], unfounded: ['x', 'y', 'z'] }
    expect(inJson({ outbox })).toMatchObject({ outbox: { missing: 1, reordered: 2, unfounded: 3 } })
    expect(inJson({}, 'x')).toMatchObject({ problems: 1 })
  })

  const explained = [{ service: 'payment', what: 'o-1, 2 times', cause: 'killed' as const }]
  const unexplained = [{ service: 'mail', what: 'o-1 at order-events[0]@2, 2 times', cause: null }]

  test('says why a record was handled again, or that nobody knows', () => {
    const explainedText = reportTable({ ...findings, repeated: explained }, 'mail').join('\n')
    expect(explainedText).toContain('1 by payment (killed between')
    const text = reportTable({ ...findings, parkedTwice: [], repeated: unexplained }, 'mail').join('\n')
    expect(text).toContain('1 by mail (UNEXPLAINED)')
    expect(text).not.toContain('killed')
  })

  test('counts apart what the service handled again whose members came and went', () => {
    const rows = (scaled: string): string => reportTable({ ...findings, repeated: unexplained }, scaled).join('\n')
    expect(rows('mail')).toMatch(/by mail +1 /)
    expect(rows('points')).toMatch(/by points +0 /)
  })

  test('fails the run for all that does not hold, and for what is repeated without a reason', () => {
    expect(isBroken(findings)).toBe(false)
    for (const broken of [
      { lost: ['x'] },
      { outOfOrder: ['x'] },
      { misbooked: ['x'] },
      { unmarked: ['x'] },
      { untold: ['x'] },
      { commitsBack: ['x'] },
      { outbox: { ...findings.outbox, missing: ['x'] } },
      { outbox: { ...findings.outbox, reordered: ['x'] } },
      { outbox: { ...findings.outbox, unfounded: ['x'] } },
      { missed: unexplained },
      { repeated: unexplained },
      { parkedTwice: unexplained },
    ]) {
      expect(isBroken({ ...findings, ...broken })).toBe(true)
    }
  })

  test('fails the run for what was done twice, and takes no kill for a reason', () => {
    expect(isBroken({ ...findings, repeated: explained, missed: explained })).toBe(false)
    expect(isBroken({ ...findings, doubled: explained })).toBe(true)
  })

  test('shows the first ten of many findings', () => {
    const lost = Array.from({ length: 13 }, (_, i) => `finding ${i}`)
    const text = reportTable({ ...findings, lost }, 'mail').join('\n')
    expect(text).toContain('  finding 9\n  and 3 more')
  })
})

describe('what `holdfast audit` says', () => {
  const report = (
    different: Partial<AuditJson['counts']> = {},
    missing: AuditJson['findings']['missing'] = [],
  ): AuditJson => ({
    counts: { judged: 9, missing: 0, duplicate: 0, reordered: 0, extra: 0, gap: 0, ...different },
    findings: { missing },
  })
  const toTopic = ['--from', 'outbox', '--to', 'topic:order-events']
  const toInbox = ['--from', 'topic:order-events', '--to', 'inbox', '--group', 'stock']
  const pill = (offset: bigint): Place => ({ topic: 'order-events', partition: 2, offset })
  const range = (first: string, last: string, count: number): AuditJson['findings']['missing'][number] => ({
    count,
    first: { partition: 2, offset: first },
    last: { partition: 2, offset: last },
  })
  const problems = (call: readonly string[], said: AuditJson, known: Partial<Known> = {}): number =>
    verdictsOf([[call, said]], { pills: [], sentAgain: 0, ...known }).problems.length

  test('is a line for each call, and no problem where all of it holds', () => {
    const { lines } = verdictsOf([[toTopic, report()]], { pills: [], sentAgain: 0 })
    expect(lines).toEqual([
      'holdfast audit --from outbox --to topic:order-events\n  9 messages: 0 missing, 0 reordered, 0 extra, 0 gaps, 0 once more',
    ])
    expect(problems(toTopic, report())).toBe(0)
  })

  test('is a problem for all that does not hold, and where there was nothing to judge', () => {
    for (const kind of ['missing', 'reordered', 'extra', 'gap'])
      expect(problems(toTopic, report({ [kind]: 1 }))).toBe(1)
    expect(problems(toTopic, report({ judged: 0 }))).toBe(1)
  })

  test('records that are there once more are as many as the demo knows of', () => {
    expect(problems(toTopic, report({ duplicate: 3 }), { sentAgain: 3 })).toBe(0)
    expect(problems(toTopic, report({ duplicate: 3 }), { sentAgain: 2 })).toBe(1)
    expect(problems(toTopic, report(), { sentAgain: 1 })).toBe(1)
  })

  test('pills are in no inbox: exactly these, at their places', () => {
    const pills = [pill(4n), pill(5n), pill(9n)]
    const said = report({ missing: 3 }, [range('4', '5', 2), range('9', '9', 1)])
    expect(problems(toInbox, said, { pills })).toBe(0)
    expect(problems(toInbox, said, { pills: [pill(4n), pill(5n)] })).toBe(1)
    expect(problems(toInbox, said, { pills: pills.map((each) => ({ ...each, topic: 'payment-events' })) })).toBe(1)
    expect(problems(toInbox, said, { pills: pills.map((each) => ({ ...each, partition: 3 })) })).toBe(1)
    expect(problems(toInbox, report({ missing: 3 }, [range('4', '9', 3)]), { pills: pills.slice(0, 2) })).toBe(1)
    expect(problems(toTopic, said, { pills })).toBe(1) // nobody enqueues pills
  })
})

describe('the trace', () => {
  const span = (
    spanId: string,
    parentSpanId: string | undefined,
    different: Partial<RecordedSpan> = {},
  ): RecordedSpan => ({
    service: 'payment',
    traceId: 't',
    spanId,
    ...(parentSpanId === undefined ? {} : { parentSpanId }),
    name: 'process inventory-events',
    startMs: 100,
    durationMs: 1.5,
    attributes: {},
    events: [],
    ...different,
  })
  const root = span('a', undefined, {
    service: 'order-api',
    name: 'send order-events',
    attributes: { 'messaging.message.id': 'o-1/order.created' },
  })
  const flaky = span('b', 'a', {
    startMs: 107,
    events: [{ name: 'holdfast.attempt_failed', attributes: { 'holdfast.attempt': 1 } }],
    attributes: { 'holdfast.outcome': 'handled' },
  })

  test('is drawn as a tree, with what failed on the way', () => {
    expect(drawTrace([span('c', 'b', { startMs: 112, name: 'send payment-events' }), flaky, root], 't')).toEqual([
      'order-api: send order-events (order.created)     +0 ms     1.5 ms',
      '└─ payment: process inventory-events             +7 ms     1.5 ms  attempt 1 failed',
      '   └─ payment: send payment-events              +12 ms     1.5 ms',
    ])
  })

  test('keeps a span whose parent was lost with a killed process', () => {
    expect(drawTrace([root, span('z', 'lost')], 't')).toHaveLength(2)
  })

  test('is that of the order with the most to tell', () => {
    const dull = { ...root, traceId: 'dull', spanId: 'd', attributes: { 'messaging.message.id': 'o-2/order.created' } }
    expect(tellingTrace([dull, root, flaky], ['o-1', 'o-2'])).toBe('t')
    expect(tellingTrace([dull, root, flaky], ['o-2'])).toBe('dull')
    expect(tellingTrace([], ['o-1'])).toBeUndefined()
  })

  test('is read from lines, without the one that a killed process left half written', () => {
    expect(readSpans(`${JSON.stringify(root)}\n{"service":"pay`)).toEqual([root])
  })
})
