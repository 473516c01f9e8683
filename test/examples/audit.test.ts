import { describe, expect, test } from 'vitest'
import type { Effect, History, Letter, Levels, LogRecord } from '../../scripts/demo/audit.ts'
import { audit } from '../../scripts/demo/audit.ts'
import type { Duty } from '../../scripts/demo/duties.ts'
import type { Incident } from '../../scripts/demo/incidents.ts'
import { markId } from '../../scripts/demo/marks.ts'
import type { Payment, Reservation } from '../../scripts/demo/told.ts'

const DUTIES: readonly Duty[] = [
  { service: 'stock', topic: 'order-events', types: ['order.created'] },
  {
    service: 'mail',
    topic: 'order-events',
    types: ['order.created', 'order.confirmed', 'order.shipped', 'order.delivered'],
  },
]
const LEVELS: Levels = { withInbox: new Set(['stock']), atMostOnce: new Set(['views']) }
const LIFE = ['order.created', 'order.confirmed', 'order.shipped', 'order.delivered']

const event = (offset: number, type: string, orderId = 'o-1', partition = 0): LogRecord => ({
  kind: 'event',
  topic: 'order-events',
  partition,
  offset: BigInt(offset),
  eventId: `${orderId}/${type}`,
  type,
  orderId,
  value: { type, orderId },
})
const pill = (offset: number): LogRecord => ({
  kind: 'pill',
  topic: 'order-events',
  partition: 0,
  offset: BigInt(offset),
})
const effect = (seq: number, service: string, type: string, different: Partial<Effect> = {}): Effect => ({
  seq,
  service,
  process: 100,
  topic: 'order-events',
  partition: 0,
  offset: BigInt(Math.max(0, LIFE.indexOf(type))),
  eventId: `o-1/${type}`,
  kind: 'done',
  atMs: 1_000_000 + seq,
  ...different,
})
const stock = { service: 'stock', process: 100, mostInHandlers: 8 }
const killed: Incident = { kind: 'killed', ...stock, atMs: 1_000_500 }
const stopped: Incident = { kind: 'stopped', ...stock, fromMs: 1_000_500, untilMs: 1_010_000 }
const letter = (service: string, offset: number, different: Partial<Letter> = {}): Letter => ({
  service,
  topic: 'order-events',
  partition: 0,
  offset: BigInt(offset),
  reason: 'handler-failed',
  atMs: 1_000_000 + offset,
  stored: true,
  ...different,
})

const mark = (service: string, eventId: string): History['marks'][number] => ({
  service,
  id: markId(service, { topic: 'order-events', eventId }),
})

/** One order that was delivered, and everybody did their work once and in order. */
function sound(different: Partial<History> = {}): History {
  return {
    accepted: ['o-1'],
    givenUp: [],
    states: new Map([['o-1', { state: 'delivered', reason: null }]]),
    log: LIFE.map((type, i) => event(i, type)),
    effects: [effect(1, 'stock', 'order.created'), ...LIFE.map((type, i) => effect(i + 2, 'mail', type))],
    letters: [],
    skips: [],
    stock: [{ sku: 'mouse', opening: 10, onHand: 7, reserved: 3 }],
    marks: [mark('stock', 'o-1/order.created'), mark('stock', 'o-1/order.shipped')], // the second is none of its business
    rows: [
      {
        id: 1n,
        messageId: 'o-1/order.created',
        topic: 'order-events',
        key: 'o-1',
        state: 'sent',
        acknowledged: { partition: 0, offset: 0n },
      },
    ],
    reservations: [],
    prices: { mouse: 250, cable: 50 },
    payments: [],
    charges: [],
    mails: [],
    notified: [],
    commits: [0n, 2n, 2n, 4n].map((offset) => ({ service: 'mail', topic: 'order-events', partition: 0, offset })),
    incidents: [],
    ...different,
  }
}
const find = (different: Partial<History>): ReturnType<typeof audit> => audit(sound(different), DUTIES, LEVELS)

test('a sound history has nothing to complain about', () => {
  expect(find({})).toEqual({
    orders: 1,
    givenUp: 0,
    givenUpStored: 0,
    outcomes: { delivered: 1 },
    parked: {},
    skipped: 0,
    lost: [],
    missed: [],
    repeated: [],
    doubled: [],
    parkedTwice: [],
    outOfOrder: [],
    misbooked: [],
    unmarked: [],
    untold: [],
    outbox: { sent: 1, sentAgain: 0, missing: [], reordered: [], unfounded: [] },
    commitsBack: [],
    repeatedEvents: 0,
    recounted: 0,
  })
})

test('the order in which the records were read does not matter: their places do', () => {
  expect(find({ log: sound().log.toReversed() })).toEqual(find({}))
})

describe('lost', () => {
  test('an accepted order that no event tells of', () => {
    expect(find({ accepted: ['o-1', 'o-2'] }).lost).toEqual(['o-2 was accepted, and no event says so'])
  })

  test('an accepted order that has not ended', () => {
    const states = new Map([['o-1', { state: 'shipped', reason: null }]])
    expect(find({ states }).lost).toEqual(['o-1 was accepted and is still shipped'])
  })

  test('an accepted order that the table does not know', () => {
    expect(find({ states: new Map() }).lost).toEqual(['o-1 was accepted and is still unknown'])
  })

  test('an event that a service owes its work for, and neither did it nor parked nor skipped it', () => {
    const effects = sound().effects.filter(
      ({ service, eventId }) => !(service === 'mail' && eventId === 'o-1/order.shipped'),
    )
    expect(find({ effects }).lost).toEqual(['mail did nothing with o-1/order.shipped at order-events[0]@2'])
  })

  test('the work of one service does not stand for another’s', () => {
    const effects = sound().effects.map((each) => (each.service === 'stock' ? { ...each, service: 'mail' } : each))
    expect(find({ effects }).lost).toEqual(['stock did nothing with o-1/order.created at order-events[0]@0'])
  })

  test('not what was parked, skipped, or known already', () => {
    const without = (type: string): readonly Effect[] =>
      sound().effects.filter(({ service, eventId }) => !(service === 'mail' && eventId === `o-1/${type}`))
    expect(find({ effects: without('order.shipped'), letters: [letter('mail', 2)] }).lost).toEqual([])
    const skip = { service: 'mail', topic: 'order-events', partition: 0, offset: 2n }
    expect(find({ effects: without('order.shipped'), skips: [skip] }).lost).toEqual([])
    const known = effect(9, 'mail', 'order.delivered', { kind: 'known' })
    expect(find({ effects: [...without('order.delivered'), known] }).lost).toEqual([])
  })

  test('but what another group parked, or what was parked from another place', () => {
    const effects = sound().effects.filter(({ service }) => service !== 'stock')
    expect(find({ effects, letters: [letter('mail', 0), letter('stock', 1)] }).lost).toHaveLength(1)
  })

  test('a repeated event is settled where it was parked, whichever of its places that is', () => {
    const effects = sound().effects.filter(({ service }) => service !== 'stock')
    const log = [...sound().log, event(4, 'order.created')]
    expect(find({ effects, log, letters: [letter('stock', 4)] }).lost).toEqual([])
  })

  test('is named by its first place', () => {
    const effects = sound().effects.filter(({ service }) => service !== 'stock')
    const log = [...sound().log, event(4, 'order.created')]
    expect(find({ effects, log }).lost).toEqual(['stock did nothing with o-1/order.created at order-events[0]@0'])
  })

  test('not an event of another topic, which the service does not read', () => {
    const elsewhere = { ...event(0, 'order.created', 'o-9'), topic: 'other-events' }
    expect(find({ log: [...sound().log, elsewhere] }).lost).toEqual([])
  })

  test('a pill that one of the groups did not park', () => {
    const log = [...sound().log, pill(4)]
    expect(find({ log, letters: [letter('mail', 4)] }).lost).toEqual([
      'stock did not park the pill at order-events[0]@4',
    ])
    expect(find({ log, letters: [letter('mail', 4), letter('stock', 4)] }).lost).toEqual([])
  })

  test('a dead letter that the monitor did not see', () => {
    expect(find({ letters: [letter('mail', 2, { stored: false })] }).lost).toEqual([
      'the dead letter of order-events[0]@2 (mail) was not seen by the monitor',
    ])
  })
})

describe('doubled', () => {
  test('work that was done twice for one event', () => {
    const effects = [...sound().effects, effect(9, 'stock', 'order.created')]
    expect(find({ effects }).doubled).toEqual([{ service: 'stock', what: 'o-1/order.created, 2 times', cause: null }])
  })

  test('not what a service recognised as done before', () => {
    const effects = [...sound().effects, effect(9, 'stock', 'order.created', { kind: 'known' })]
    expect(find({ effects }).doubled).toEqual([])
  })

  test('an order that the gateway charged under two keys, whatever the services’ rows say', () => {
    const charge = { orderId: 'o-1', amountCents: 500, verdict: 'completed' } as const
    expect(find({ charges: [charge, charge, { ...charge, orderId: 'o-2' }] }).doubled).toEqual([
      { service: 'payment', what: 'o-1 was charged 2 times at the gateway', cause: null },
    ])
  })

  test('a mail that went out under two keys; two mails of one order are two', () => {
    const mail = { orderId: 'o-1', about: 'order.shipped' }
    expect(find({ mails: [mail, mail, { ...mail, about: 'order.delivered' }] }).doubled).toEqual([
      { service: 'notification', what: 'o-1/order.shipped was mailed 2 times', cause: null },
    ])
  })

  test('an event sent again is counted apart: its readers recognise it', () => {
    const findings = find({ log: [...sound().log, event(4, 'order.created')] })
    expect(findings.repeatedEvents).toBe(1)
    expect(findings.doubled).toEqual([])
  })
})

test('parked twice is a record that one group parked twice; two groups each park their own', () => {
  expect(find({ letters: [letter('mail', 2), letter('stock', 2)] }).parkedTwice).toEqual([])
  expect(find({ letters: [letter('mail', 2), letter('mail', 2)] }).parkedTwice).toEqual([
    { service: 'mail', what: 'order-events[0]@2 parked 2 times', cause: null },
  ])
})

describe('handled again', () => {
  const again = (different: Partial<Effect>): readonly Effect[] => [
    ...sound().effects,
    effect(900, 'stock', 'order.created', { kind: 'known', ...different }),
  ]

  test('is a record that a service worked on twice, also when its tables recognised it', () => {
    expect(find({ effects: again({}) }).repeated).toEqual([
      { service: 'stock', what: 'o-1/order.created at order-events[0]@0, 2 times', cause: null },
    ])
  })

  test('not the same event at another place of the log: that was sent again', () => {
    expect(find({ effects: again({ offset: 7n }) }).repeated).toEqual([])
  })

  const causeOf = (effects: readonly Effect[], ...incidents: readonly Incident[]): readonly (string | null)[] =>
    find({ effects, incidents }).repeated.map(({ cause }) => cause)

  test('by the successor of a killed process is explained by the kill', () => {
    expect(causeOf(again({ process: 200 }), killed)).toEqual(['killed'])
  })

  test('by the same process, by that of another service, or long after the work is not', () => {
    expect(causeOf(again({}), killed)).toEqual([null])
    expect(causeOf(again({ process: 200 }), { ...killed, service: 'mail' })).toEqual([null])
    expect(causeOf(again({ process: 200 }), { ...killed, process: 300 })).toEqual([null])
    expect(causeOf(again({ process: 200 }), { ...killed, atMs: 1_100_000 })).toEqual([null])
  })

  test('by a stopped process that ends what it had under way, after its successor did the same, is explained by the stop', () => {
    const late = [
      ...sound().effects.filter(({ service }) => service === 'mail'),
      effect(1, 'stock', 'order.created', { process: 200, atMs: 1_008_000 }),
      effect(900, 'stock', 'order.created', { process: 100, atMs: 1_009_500, kind: 'known' }),
    ]
    expect(causeOf(late, stopped)).toEqual(['stopped'])
    expect(causeOf(late, { ...stopped, untilMs: 1_009_000 })).toEqual([null]) // it had long been a member again
  })

  /** So many orders, each handled by a process `everyMs` after the one before it, and by its successor. */
  const twice = (count: number, everyMs: number): readonly Effect[] =>
    Array.from({ length: count }, (_, i) =>
      [100, 200].map((process) =>
        effect(1 + i, 'stock', 'order.created', {
          process,
          eventId: `o-${i}/order.created`,
          offset: BigInt(i),
          atMs: process === 100 ? 1_000_500 - i * everyMs : 1_002_000,
        }),
      ),
    ).flat()
  const counts = (causes: readonly (string | null)[]): readonly number[] =>
    [causes.filter((cause) => cause !== null), causes.filter((cause) => cause === null)].map((each) => each.length)

  test('more often than was in handlers, or had finished within the time of a commit, is not explained, whatever was killed', () => {
    expect(counts(causeOf(twice(9, 1_000), killed))).toEqual([9, 0]) // 8 in handlers, 1 finished
    expect(counts(causeOf(twice(14, 1_000), killed))).toEqual([9, 5])
    expect(counts(causeOf(twice(14, 100), killed))).toEqual([14, 0]) // 8 in handlers, 6 finished in 600 ms
    expect(counts(causeOf(twice(40, 100), killed))).toEqual([14, 26])
    expect(counts(causeOf(twice(40, 100), { ...killed, mostInHandlers: 2 }))).toEqual([8, 32])
    expect(counts(causeOf(twice(14, 1_000), stopped))).toEqual([9, 5])
  })

  test('what other processes did, or what was done long before, makes no room', () => {
    const others = Array.from({ length: 30 }, (_, i) =>
      effect(1 + i, 'stock', 'order.created', { process: 300, eventId: `p-${i}`, offset: BigInt(100 + i) }),
    )
    const before = others.map((each) => ({ ...each, process: 100, offset: each.offset + 100n, atMs: 900_000 }))
    expect(counts(causeOf([...twice(14, 1_000), ...others, ...before], killed))).toEqual([9, 5])
  })

  test('two incidents explain what was under way in each', () => {
    const other: Incident = { ...killed, atMs: 1_000_600 }
    expect(counts(causeOf(twice(14, 1_000), killed, other))).toEqual([14, 0])
  })
})

describe('a doubled effect', () => {
  const twice = (different: Partial<Effect>): readonly Effect[] => [
    ...sound().effects,
    effect(900, 'stock', 'order.created', different),
  ]
  const causeOf = (effects: readonly Effect[], ...incidents: readonly Incident[]): unknown =>
    find({ effects, incidents }).doubled[0]?.cause

  test('is explained by the kill that came between the effect and its commit', () => {
    expect(causeOf(twice({ process: 200 }), killed)).toBe('killed')
    expect(causeOf(twice({ process: 200 }))).toBeNull()
  })

  test('is explained by an event that was sent again only where another process met it', () => {
    expect(causeOf(twice({ process: 200, offset: 7n }))).toBe('sent again')
    expect(causeOf(twice({ process: 100, offset: 7n }))).toBeNull() // one process recognises the second by its id
  })

  const parkedAt = (...timesMs: readonly number[]): readonly Letter[] =>
    timesMs.map((atMs) => letter('stock', 2, { atMs }))
  const causeOfLetters = (letters: readonly Letter[], ...incidents: readonly Incident[]): readonly unknown[] =>
    find({ letters, incidents }).parkedTwice.map(({ cause }) => cause)

  test('of parking is explained by what was done to the service between the two', () => {
    expect(causeOfLetters(parkedAt(1_000_400, 1_007_000), killed)).toEqual(['killed'])
    expect(causeOfLetters(parkedAt(1_000_400, 1_007_000), stopped)).toEqual(['stopped'])
    expect(causeOfLetters(parkedAt(1_000_400, 1_007_000), { ...killed, service: 'mail' })).toEqual([null])
    expect(causeOfLetters(parkedAt(1_000_300, 1_000_400), killed)).toEqual([null]) // both before it
    expect(causeOfLetters(parkedAt(1_007_000, 1_008_000), killed)).toEqual([null]) // both after it
    expect(causeOfLetters(parkedAt(900_000, 1_007_000), killed)).toEqual([null]) // long committed by then
  })

  test('of parking has a part in what was under way, and no more', () => {
    const letters = Array.from({ length: 12 }, (_, i) =>
      [1_000_400, 1_007_000].map((atMs) => letter('stock', 100 + i, { atMs })),
    ).flat()
    const causes = causeOfLetters(letters, killed)
    // 8 in handlers, and 1 finished: the one effect of the sound history.
    expect(causes.filter((cause) => cause === 'killed')).toHaveLength(9)
    expect(causes.filter((cause) => cause === null)).toHaveLength(3)
  })
})

test('commits that go back are those of one group for one partition below an earlier one', () => {
  const at = (service: string, offset: bigint, partition = 0): History['commits'][number] => ({
    service,
    topic: 'order-events',
    partition,
    offset,
  })
  expect(find({ commits: [at('mail', 5n), at('stock', 3n), at('mail', 4n, 1), at('mail', 5n)] }).commitsBack).toEqual(
    [],
  )
  expect(find({ commits: [at('mail', 5n), at('mail', 9n), at('mail', 7n)] }).commitsBack).toEqual([
    'mail order-events[0] went back from 9 to 7',
  ])
})

describe('out of order', () => {
  test('an order that was shipped before it was confirmed', () => {
    const types = ['order.created', 'order.shipped', 'order.confirmed', 'order.delivered']
    const log = types.map((type, i) => event(i, type))
    expect(find({ log }).outOfOrder).toContain(
      'o-1 lived order.created, order.shipped, order.confirmed, order.delivered',
    )
  })

  test('an order that was confirmed and cancelled', () => {
    const log = ['order.created', 'order.confirmed', 'order.cancelled'].map((type, i) => event(i, type))
    expect(find({ log }).outOfOrder).toEqual(['o-1 lived order.created, order.confirmed, order.cancelled'])
  })

  test('not a part of a life that goes on, nor a repetition after the first time', () => {
    const log = ['order.created', 'order.confirmed', 'order.created', 'order.confirmed'].map((type, i) =>
      event(i, type),
    )
    expect(find({ log }).outOfOrder).toEqual([])
  })

  test('not a cancelled order, and offsets count as numbers and not as text', () => {
    const log = [event(9, 'order.created'), event(10, 'order.cancelled')]
    expect(find({ log }).outOfOrder).toEqual([])
  })

  test('an order on two partitions, where Kafka promises no order', () => {
    const log = sound().log.map((record, i) => ({ ...record, partition: i % 2 }))
    expect(find({ log }).outOfOrder).toContain('o-1 is spread over several partitions')
  })

  test('a service whose first work for an event came before that for an earlier one', () => {
    const effects = sound().effects.map((each) =>
      each.service === 'mail' && each.eventId === 'o-1/order.delivered' ? { ...each, seq: 0 } : each,
    )
    expect(find({ effects }).outOfOrder).toEqual(['mail did o-1/order.delivered before o-1/order.shipped'])
  })

  test('not a repetition after the first work, and not the work of different orders', () => {
    const effects = [...sound().effects, effect(9, 'mail', 'order.created')]
    expect(find({ effects }).outOfOrder).toEqual([])
    const log = [...sound().log, event(9, 'order.created', 'o-2')]
    const earlier = effect(0, 'mail', '', { eventId: 'o-2/order.created' })
    expect(find({ log, effects: [...sound().effects, earlier] }).outOfOrder).toEqual([])
  })
})

test('misbooked: what left the shelf is not what is reserved', () => {
  expect(find({ stock: [{ sku: 'mouse', opening: 10, onHand: 6, reserved: 3 }] }).misbooked).toEqual([
    'mouse: 4 left the shelf, 3 are reserved',
  ])
})

describe('misbooked outside', () => {
  const payment: Payment = { orderId: 'o-1', amountCents: 500, state: 'completed' }
  const charge = { orderId: 'o-1', amountCents: 500, verdict: 'completed' } as const
  const said = [
    {
      ...event(0, 'payment.completed'),
      topic: 'payment-events',
      value: { type: 'payment.completed', orderId: 'o-1', amountCents: 500 },
    },
  ]
  const misbooked = (different: Partial<History>): readonly string[] =>
    find({ payments: [payment], charges: [charge], ...different }).misbooked

  test('not a payment that the gateway’s books tell of in the same words', () => {
    expect(misbooked({ log: [...sound().log, ...said] })).toEqual([])
  })

  test('a payment without a charge, a charge without a payment, and one of another sum or verdict', () => {
    expect(misbooked({ charges: [] })).toEqual(['o-1 is completed, and the gateway knows nothing of it'])
    expect(misbooked({ payments: [] })).toEqual(['o-1 was charged, and no row says so'])
    expect(misbooked({ charges: [{ ...charge, amountCents: 501 }] })).toEqual([
      'o-1: the row says completed, 500; the gateway completed, 501',
    ])
    expect(misbooked({ charges: [{ ...charge, verdict: 'declined' }] })).toEqual([
      'o-1: the row says completed, 500; the gateway declined, 500',
    ])
  })

  test('a mail that nobody noted, and a note without its mail', () => {
    const mail = { orderId: 'o-1', about: 'order.shipped' }
    expect(find({ mails: [mail], notified: [mail] }).misbooked).toEqual([])
    expect(find({ mails: [mail] }).misbooked).toEqual(['o-1/order.shipped was mailed, and no row says so'])
    expect(find({ notified: [mail] }).misbooked).toEqual(['o-1/order.shipped is noted, and was not mailed'])
  })
})

describe('effects that differ from marks', () => {
  test('an effect whose mark is missing', () => {
    expect(find({ marks: [] }).unmarked).toEqual(['stock did its work for o-1/order.created, and has no mark of it'])
  })

  test('a mark whose effect is missing, of an event that is the service’s business', () => {
    const effects = sound().effects.filter(({ service }) => service === 'mail')
    expect(find({ effects }).unmarked).toEqual(['stock has marked o-1/order.created, and not done its work'])
  })

  test('a mark of another service, or of something that is not on the log', () => {
    const [created] = sound().marks
    expect(find({ marks: [created!, mark('stock', 'o-9/order.created')] }).unmarked).toHaveLength(1)
    expect(find({ marks: [{ ...created!, service: 'mail' }] }).unmarked).toEqual([
      'stock did its work for o-1/order.created, and has no mark of it',
      expect.stringContaining('mail has a mark of nothing that is on the log'),
    ])
  })

  test('not the effects of a service without an inbox', () => {
    expect(audit(sound({ marks: [] }), DUTIES, { ...LEVELS, withInbox: new Set() }).unmarked).toEqual([])
  })
})

describe('a service that handles at most once', () => {
  const duties: readonly Duty[] = [{ service: 'views', topic: 'order-events', types: ['order.viewed'] }]
  const log = Array.from({ length: 8 }, (_, i) => event(i, 'order.viewed', `o-${i}`))
  const view = (offset: number, process: number, different: Partial<Effect> = {}): Effect =>
    effect(offset, 'views', '', { eventId: `o-${offset}/order.viewed`, offset: BigInt(offset), process, ...different })
  const viewsKilled: Incident = { kind: 'killed', service: 'views', process: 100, mostInHandlers: 3, atMs: 1_000_500 }
  const findViews = (effects: readonly Effect[], different: Partial<History> = {}): ReturnType<typeof audit> =>
    audit(sound({ accepted: [], log, effects, marks: [], incidents: [viewsKilled], ...different }), duties, LEVELS)
  const [first, second] = [
    [0, 1, 2].map((offset) => view(offset, 100)),
    [5, 6, 7].map((offset) => view(offset, 200)),
  ] as const

  test('misses what a killed process had claimed and not done: that is no loss', () => {
    const { lost, missed } = findViews([...first, ...second])
    expect(lost).toEqual([])
    expect(missed).toEqual(
      [3, 4].map((offset) => ({
        service: 'views',
        what: `o-${offset}/order.viewed at order-events[0]@${offset}`,
        cause: 'killed',
      })),
    )
  })

  const causes = (...given: Parameters<typeof findViews>): readonly unknown[] =>
    findViews(...given).missed.map(({ cause }) => cause)

  test('has no reason to miss anything when nothing was done to it, or to another', () => {
    expect(causes([...first, ...second], { incidents: [] })).toEqual([null, null])
    expect(causes([...first, ...second], { incidents: [{ ...viewsKilled, service: 'mail' }] })).toEqual([null, null])
  })

  test('has none for what lies in the midst of one process’s work, nor for more than it had in handlers', () => {
    expect(causes([view(0, 100), view(2, 100), ...[3, 4, 5, 6, 7].map((offset) => view(offset, 200))])).toEqual([null])
    expect(causes([...[0, 1, 2, 3, 4].map((offset) => view(offset, 100)), view(5, 200), view(7, 200)])).toEqual([null])
    expect(causes([view(0, 100), ...second])).toEqual(['killed', 'killed', 'killed', null])
  })

  test('may not handle a record twice, whatever was killed; an event that was sent again is another record', () => {
    const whole = [...[0, 1, 2, 3, 4].map((offset) => view(offset, 100)), ...second]
    expect(findViews([...whole, view(4, 200)]).doubled).toEqual([
      { service: 'views', what: 'o-4/order.viewed, 2 times', cause: 'killed' },
    ])
    const again = findViews([...whole, view(4, 200, { offset: 8n })], {
      log: [...log, event(8, 'order.viewed', 'o-4')],
    })
    expect(again.doubled).toEqual([])
    expect(again.recounted).toBe(1)
  })

  test('owes nothing for a pill, since it has no dead letters', () => {
    const whole = [0, 1, 2, 3, 4, 5, 6, 7].map((offset) => view(offset, 100))
    expect(findViews(whole, { log: [...log, pill(8)] }).lost).toEqual([])
  })
})

test('orders that were given up are counted, and those of them that are stored all the same', () => {
  expect(find({ givenUp: ['o-1', 'o-9'] })).toMatchObject({ givenUp: 2, givenUpStored: 1 })
})

describe('events that differ from rows', () => {
  const reservation: Reservation = {
    orderId: 'o-1',
    customerId: 'ada',
    items: [
      { sku: 'mouse', quantity: 1 },
      { sku: 'cable', quantity: 5 },
    ],
    state: 'reserved',
    missing: null,
  }
  const short: Reservation = { ...reservation, state: 'short', missing: 'mouse' }
  const told = (topic: string, type: string, value: object, offset = 0): LogRecord =>
    ({
      ...event(offset, type),
      topic,
      value: { type, orderId: 'o-1', ...value },
    }) as LogRecord
  const reserved = { customerId: 'ada', totalCents: 500 }
  const untold = (reservations: readonly Reservation[], ...events: readonly LogRecord[]): readonly string[] =>
    find({ reservations, log: [...sound().log, ...events] }).untold

  test('not what was told as the row says, however often', () => {
    const said = [0, 1].map((offset) => told('inventory-events', 'inventory.reserved', reserved, offset))
    expect(untold([reservation], ...said)).toEqual([])
  })

  test('not an article that is short, with the order that is cancelled for it', () => {
    const cancelled = { customerId: 'ada', reason: 'out-of-stock' }
    const said = [
      told('inventory-events', 'inventory.short', { sku: 'mouse' }),
      told('order-events', 'order.cancelled', cancelled, 9),
    ]
    expect(untold([short], ...said)).toEqual([])
    expect(untold([short], said[0]!)).toEqual(['order-events o-1/order.cancelled follows from a row, and was not told'])
  })

  test('goods that were returned were told to be reserved before', () => {
    const said = [
      told('inventory-events', 'inventory.reserved', reserved),
      told('inventory-events', 'inventory.returned', {}, 1),
    ]
    expect(untold([{ ...reservation, state: 'returned' }], ...said)).toEqual([])
    expect(untold([{ ...reservation, state: 'returned' }], said[1]!)).toEqual([
      'inventory-events o-1/inventory.reserved follows from a row, and was not told',
    ])
    expect(untold([reservation], ...said)).toEqual([
      'inventory-events o-1/inventory.returned was told, and no row says so',
    ])
  })

  test('a verdict that was rolled back and told all the same', () => {
    const said = told('inventory-events', 'inventory.short', { sku: 'mouse' })
    expect(untold([], said)).toEqual(['inventory-events o-1/inventory.short was told, and no row says so'])
    expect(untold([reservation], told('inventory-events', 'inventory.reserved', reserved), said)).toHaveLength(1)
  })

  test('an order that is cancelled without a row; not one whose payment was declined, which fulfilment cancels', () => {
    const cancelled = (reason: string): LogRecord => told('order-events', 'order.cancelled', { reason }, 9)
    expect(untold([], cancelled('out-of-stock'))).toHaveLength(1)
    expect(untold([], cancelled('payment-declined'))).toEqual([])
  })

  test('an event that says something else than its row, the second time too', () => {
    const said = told('inventory-events', 'inventory.reserved', reserved)
    const other = told('inventory-events', 'inventory.reserved', { ...reserved, totalCents: 499 }, 1)
    expect(untold([reservation], said, other)).toEqual([
      'inventory-events o-1/inventory.reserved says other than its row: totalCents',
    ])
  })

  test('a payment that was told otherwise, not at all, or has come to no end', () => {
    const payment: Payment = { orderId: 'o-1', amountCents: 500, state: 'completed' }
    const charges = [{ orderId: 'o-1', amountCents: 500, verdict: 'completed' } as const]
    const of = (paid: Payment, ...events: readonly LogRecord[]): readonly string[] =>
      find({ payments: [paid], charges, log: [...sound().log, ...events] }).untold
    expect(of(payment, told('payment-events', 'payment.completed', { amountCents: 500 }))).toEqual([])
    expect(of(payment, told('payment-events', 'payment.completed', { amountCents: 7 }))).toHaveLength(1)
    expect(of(payment)).toEqual(['payment-events o-1/payment.completed follows from a row, and was not told'])
    expect(of({ ...payment, state: 'pending' })).toEqual(['o-1: its payment has come to no end'])
  })
})

test('outcomes and reasons are counted', () => {
  const states = new Map([
    ['a', { state: 'cancelled', reason: 'out-of-stock' }],
    ['b', { state: 'cancelled', reason: 'payment-declined' }],
    ['c', { state: 'cancelled', reason: 'out-of-stock' }],
  ])
  const letters = [letter('mail', 1), letter('mail', 2), letter('mail', 3, { reason: 'decode-failed' })]
  const findings = find({ accepted: ['a', 'b', 'c'], states, letters })
  expect(findings.outcomes).toEqual({ 'cancelled: out-of-stock': 2, 'cancelled: payment-declined': 1 })
  expect(findings.parked).toEqual({ 'decode-failed': 1, 'handler-failed': 2 })
})
