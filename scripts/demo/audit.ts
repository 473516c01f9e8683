import type { Place } from '../kafka-log/index.ts'
import type { Duty } from './duties.ts'
import { groupBy } from './group-by.ts'
import type { Explanations, Incident } from './incidents.ts'
import { createExplanations } from './incidents.ts'
import type { Mark } from './marks.ts'
import { unmarked } from './marks.ts'
import type { Missed } from './missed.ts'
import { explainMissed } from './missed.ts'
import type { OutboxFindings, OutboxRow } from './outbox-chain.ts'
import { auditOutbox } from './outbox-chain.ts'
import type { Charge, Mail } from './outside-world.ts'
import { doneTwiceOutside, misbookedOutside } from './outside-world.ts'
import type { Payment, Reservation } from './told.ts'
import { untold } from './told.ts'

/** Everything that happened, as the topics and the tables tell it. */
export interface History {
  /** Ids of the orders that the API said yes to. */
  readonly accepted: readonly string[]
  /** Those of which nobody knows whether it did: no answer came, and the customer gave up. */
  readonly givenUp: readonly string[]
  /** The orders table. */
  readonly states: ReadonlyMap<string, { readonly state: string; readonly reason: string | null }>
  /** Every record of the source topics. */
  readonly log: readonly LogRecord[]
  /** The effects table. */
  readonly effects: readonly Effect[]
  /** Every dead letter, by where its record came from. */
  readonly letters: readonly Letter[]
  readonly skips: readonly Skip[]
  /** Stock against reservations. */
  readonly stock: readonly StockRow[]
  /** What the services with an inbox have marked as handled. */
  readonly marks: readonly Mark[]
  /** What the services have enqueued, and committed. */
  readonly rows: readonly OutboxRow[]
  /** What inventory has decided. */
  readonly reservations: readonly Reservation[]
  /** Of the articles, in cents. */
  readonly prices: Readonly<Record<string, number>>
  readonly payments: readonly Payment[]
  /** The gateway's own books. */
  readonly charges: readonly Charge[]
  /** The mail server's own books. */
  readonly mails: readonly Mail[]
  /** Which mails notification has noted. */
  readonly notified: readonly Mail[]
  /** Every commit, those of one group in the order in which the broker took them. */
  readonly commits: readonly Commit[]
  /** What was done to the services on the way. */
  readonly incidents: readonly Incident[]
}

export type { Place }

/** A record on a source topic: an event, or a poison pill that the demo put there. */
export type LogRecord = Place &
  (
    | {
        readonly kind: 'event'
        readonly eventId: string
        readonly type: string
        readonly orderId: string
        readonly value: Readonly<Record<string, unknown>>
      }
    | { readonly kind: 'pill' }
  )

/** One row of the effects table: a service did its work for an event (`done`), or saw that it had been done (`known`). */
export interface Effect extends Place {
  readonly seq: number
  readonly service: string
  /** Which process did it. */
  readonly process: number
  readonly eventId: string
  readonly kind: 'done' | 'known'
  /** On the database's clock, in milliseconds. */
  readonly atMs: number
}

export interface Letter extends Place {
  readonly service: string
  readonly reason: string
  /** When it was parked, on the clock of the process that did it, in milliseconds. */
  readonly atMs: number
  /** Did the dead letter monitor write it down? */
  readonly stored: boolean
}

export interface Skip extends Place {
  readonly service: string
}

/** A group's offset for a partition. */
export interface Commit extends Place {
  readonly service: string
}

/**
 * Why something happened again: its process was killed or stopped at that time, or the event itself was sent again, by a process to which
 * that happened, and reached another process than the first time. Null: nobody knows, and that is a fault.
 */
export type Cause = 'killed' | 'stopped' | 'sent again' | null

/** Something that a service did more than once. */
export interface Repetition {
  readonly service: string
  readonly what: string
  readonly cause: Cause
}

export interface StockRow {
  readonly sku: string
  readonly opening: number
  readonly onHand: number
  readonly reserved: number
}

/** What the audit found. The lists are sentences for people, one a finding. */
export interface Findings {
  readonly orders: number
  /** Orders whose customers gave up without an answer, and how many of these are stored. */
  readonly givenUp: number
  readonly givenUpStored: number
  /** How many orders ended how: `delivered`, `cancelled: out-of-stock`, … */
  readonly outcomes: Readonly<Record<string, number>>
  /** How many dead letters for which reason. */
  readonly parked: Readonly<Record<string, number>>
  readonly skipped: number
  readonly lost: readonly string[]
  /** Events that a service missed which handles at most once. */
  readonly missed: readonly Missed[]
  /** Records that a service handled more than once, whether or not its tables recognised it. */
  readonly repeated: readonly Repetition[]
  /** Work that was done more than once: by the services' own rows, and by the books of the gateway and the mail server. No kill excuses it. */
  readonly doubled: readonly Repetition[]
  /** Records that one group parked more than once: parking is at least once. */
  readonly parkedTwice: readonly Repetition[]
  readonly outOfOrder: readonly string[]
  /** Articles of which more or fewer left the shelf than were reserved; charges and mails of which the services' rows say something else. */
  readonly misbooked: readonly string[]
  /** Effects without the mark of their inbox, and marks without their effect. */
  readonly unmarked: readonly string[]
  /** Events that say other than the rows they follow from, and rows that nobody was told of. */
  readonly untold: readonly string[]
  /** HTTP answer → row → record → inbox row. */
  readonly outbox: OutboxFindings
  /** Commits of a group below an earlier one: what a zombie does that nobody refuses. */
  readonly commitsBack: readonly string[]
  /** Events that stand on a topic more than once, with the same id: repeated sends that readers recognise. */
  readonly repeatedEvents: number
  /** How often such an event was handled again by a service that handles at most once: it knows records, and no ids. */
  readonly recounted: number
}

/** Which services promise more, or less, than at least once. */
export interface Levels {
  readonly withInbox: ReadonlySet<string>
  readonly atMostOnce: ReadonlySet<string>
}

const LIVES: readonly (readonly string[])[] = [
  ['order.created', 'order.confirmed', 'order.shipped', 'order.delivered'],
  ['order.created', 'order.cancelled'],
]
const ENDS = new Set(['delivered', 'cancelled'])

/**
 * Holds what should have happened against what did: every accepted order ended, every event was worked on, parked or skipped by
 * every service that owes it, every pill was parked by every group that met it, nothing out of its order; nothing was done twice, what
 * has an inbox has marked what it did and nothing else, and what was told is what the rows say.
 */
export function audit(history: History, duties: readonly Duty[], levels: Levels): Findings {
  const { log, effects, marks, reservations, payments, charges, mails, notified } = history
  const all = log.filter((record) => record.kind === 'event')
  const events = firstOccurrences(all)
  const unsettled = unsettledEvents(history, events, duties)
  // A record that was under way comes again once: as work or as a dead letter. Doubled work is a part of what was handled again.
  const again = createExplanations(history.incidents, history.effects)
  const twice = createExplanations(history.incidents, history.effects)
  return {
    orders: history.accepted.length,
    givenUp: history.givenUp.length,
    givenUpStored: history.givenUp.filter((orderId) => history.states.has(orderId)).length,
    outcomes: countOutcomes(history),
    parked: countBy(history.letters, (letter) => letter.reason),
    skipped: history.skips.length,
    lost: [
      ...lostOrders(history, events),
      ...unsettled
        .filter(({ service }) => !levels.atMostOnce.has(service))
        .map(({ service, what }) => `${service} did nothing with ${what}`),
      ...lostPills(history, duties, levels),
      ...history.letters
        .filter((letter) => !letter.stored)
        .map((letter) => `the dead letter of ${place(letter)} (${letter.service}) was not seen by the monitor`),
    ],
    missed: explainMissed(
      unsettled.filter(({ service }) => levels.atMostOnce.has(service)),
      history.incidents,
      effects,
    ),
    repeated: repeatedRecords(history, again),
    doubled: [
      ...doubledEffects(history, twice, levels),
      ...doneTwiceOutside(charges, mails).map((each) => ({ ...each, cause: null })),
    ],
    parkedTwice: doubledLetters(history, again),
    outOfOrder: [...brokenLives(events), ...disorderedEffects(effects, events)],
    misbooked: [...misbookedArticles(history), ...misbookedOutside(charges, payments, mails, notified)],
    unmarked: unmarked(levels.withInbox, marks, effects, events, duties),
    untold: untold(reservations, payments, all, history.prices),
    outbox: auditOutbox({ ...history, orders: [...history.states.keys()] }, duties, levels.withInbox),
    commitsBack: commitsBack(history.commits),
    repeatedEvents: all.length - events.length,
    recounted: recounted(history, levels),
  }
}

type EventRecord = Extract<LogRecord, { kind: 'event' }>

/** Of each event the record that came first, in log order. */
function firstOccurrences(all: readonly EventRecord[]): readonly EventRecord[] {
  const first = new Map<string, EventRecord>()
  for (const record of all.toSorted(byPlace)) {
    const id = `${record.topic} ${record.eventId}`
    if (!first.has(id)) first.set(id, record)
  }
  return [...first.values()]
}

function lostOrders({ accepted, states }: History, events: readonly EventRecord[]): readonly string[] {
  const created = new Set(events.filter(({ type }) => type === 'order.created').map(({ orderId }) => orderId))
  return accepted.flatMap((orderId) => {
    if (!created.has(orderId)) return [`${orderId} was accepted, and no event says so`]
    const state = states.get(orderId)?.state ?? 'unknown'
    return ENDS.has(state) ? [] : [`${orderId} was accepted and is still ${state}`]
  })
}

/** Events that a service owes its work for, and of which it has not told any outcome. */
function unsettledEvents(
  history: History,
  events: readonly EventRecord[],
  duties: readonly Duty[],
): ReadonlyArray<Place & { readonly service: string; readonly what: string }> {
  const worked = new Set(history.effects.map(({ service, topic, eventId }) => `${service} ${topic} ${eventId}`))
  const settled = new Set([...history.letters, ...history.skips].map((each) => `${each.service} ${place(each)}`))
  // A repeated event may have been parked or skipped at its second place.
  const places = groupBy(
    history.log.filter((record) => record.kind === 'event'),
    (record) => `${record.topic} ${record.eventId}`,
  )
  const unsettled: Array<Place & { readonly service: string; readonly what: string }> = []
  for (const { service, topic, types } of duties) {
    for (const event of events) {
      if (event.topic !== topic || !types.includes(event.type)) continue
      if (worked.has(`${service} ${topic} ${event.eventId}`)) continue
      if (places.get(`${topic} ${event.eventId}`)!.some((each) => settled.has(`${service} ${place(each)}`))) continue
      const { partition, offset } = event
      unsettled.push({ service, what: `${event.eventId} at ${place(event)}`, topic, partition, offset })
    }
  }
  return unsettled
}

/** Whoever handles at most once has no dead letters: it skips a pill, and owes nothing for it. */
function lostPills({ log, letters }: History, duties: readonly Duty[], { atMostOnce }: Levels): readonly string[] {
  const parked = new Set(letters.map((letter) => `${letter.service} ${place(letter)}`))
  return log
    .filter((record) => record.kind === 'pill')
    .flatMap((pill) => {
      const readers = new Set(duties.filter((duty) => duty.topic === pill.topic).map((duty) => duty.service))
      return [...readers]
        .filter((service) => !atMostOnce.has(service) && !parked.has(`${service} ${place(pill)}`))
        .map((service) => `${service} did not park the pill at ${place(pill)}`)
    })
}

function repeatedRecords({ effects }: History, { causeOf }: Explanations): readonly Repetition[] {
  const handled = groupBy(effects, (effect) => `${effect.service} ${place(effect)}`)
  return [...handled.values()]
    .filter((each) => each.length > 1)
    .map((each) => ({
      service: each[0]!.service,
      what: `${each[0]!.eventId} at ${place(each[0]!)}, ${each.length} times`,
      cause: causeOf(each),
    }))
}

function doubledEffects(
  { effects }: History,
  { causeOf }: Explanations,
  { atMostOnce }: Levels,
): readonly Repetition[] {
  const done = groupBy(
    effects.filter((effect) => effect.kind === 'done'),
    (effect) =>
      `${effect.service} ${atMostOnce.has(effect.service) ? place(effect) : `${effect.topic} ${effect.eventId}`}`,
  )
  return [...done.values()]
    .filter((each) => each.length > 1)
    .map((each) => ({
      service: each[0]!.service,
      what: `${each[0]!.eventId}, ${each.length} times`,
      cause: causeOf(each) ?? (isSentAgain(each) ? 'sent again' : null),
    }))
}

function recounted({ effects }: History, { atMostOnce }: Levels): number {
  const counted = effects.filter(({ service }) => atMostOnce.has(service))
  const places = new Set(counted.map((effect) => `${effect.service} ${place(effect)}`))
  const events = new Set(counted.map(({ service, topic, eventId }) => `${service} ${topic} ${eventId}`))
  return places.size - events.size
}

/** Each time from another place of the log, and in another process: one process recognises the second by its id. */
function isSentAgain(done: readonly Effect[]): boolean {
  return new Set(done.map(place)).size === done.length && new Set(done.map((each) => each.process)).size === done.length
}

function doubledLetters({ letters }: History, { causeOfLetters }: Explanations): readonly Repetition[] {
  return [...groupBy(letters, (letter) => `${letter.service} ${place(letter)}`).values()]
    .filter((each) => each.length > 1)
    .map((each) => {
      const { service } = each[0]!
      const cause = causeOfLetters(
        service,
        each.map(({ atMs }) => atMs),
      )
      return { service, what: `${place(each[0]!)} parked ${each.length} times`, cause }
    })
}

function misbookedArticles({ stock }: History): readonly string[] {
  return stock
    .filter(({ opening, onHand, reserved }) => opening - onHand !== reserved)
    .map(({ sku, opening, onHand, reserved }) => `${sku}: ${opening - onHand} left the shelf, ${reserved} are reserved`)
}

function commitsBack(commits: readonly Commit[]): readonly string[] {
  const last = new Map<string, bigint>()
  const found: string[] = []
  for (const { service, offset, ...partition } of commits) {
    const id = `${service} ${partition.topic}[${partition.partition}]`
    const before = last.get(id)
    if (before !== undefined && offset < before) found.push(`${id} went back from ${before} to ${offset}`)
    last.set(id, offset)
  }
  return found
}

/** An order lives in its order, or the part of it that there is yet, all on one partition. */
function brokenLives(events: readonly EventRecord[]): readonly string[] {
  const lives = groupBy(
    events.filter((event) => event.topic === 'order-events'),
    (event) => event.orderId,
  )
  return [...lives].flatMap(([orderId, life]) => {
    if (new Set(life.map((event) => event.partition)).size > 1) return [`${orderId} is spread over several partitions`]
    const types = life.map((event) => event.type)
    const fits = LIVES.some((whole) => types.every((type, i) => whole[i] === type))
    return fits ? [] : [`${orderId} lived ${types.join(', ')}`]
  })
}

/** The first effects of a service for one order come in the order of the log. */
function disorderedEffects(effects: readonly Effect[], events: readonly EventRecord[]): readonly string[] {
  const firstSeq = new Map<string, number>()
  for (const { seq, service, topic, eventId } of effects) {
    const id = `${service} ${topic} ${eventId}`
    firstSeq.set(id, Math.min(seq, firstSeq.get(id) ?? Infinity))
  }
  const services = new Set(effects.map((effect) => effect.service))
  const disordered: string[] = []
  for (const ofOneOrder of groupBy(events, ({ topic, orderId }) => `${topic} ${orderId}`).values()) {
    for (const service of services) {
      let before: { readonly seq: number; readonly eventId: string } | undefined
      for (const { topic, eventId } of ofOneOrder) {
        const seq = firstSeq.get(`${service} ${topic} ${eventId}`)
        if (seq === undefined) continue // parked, skipped, or none of its business
        if (before !== undefined && seq < before.seq)
          disordered.push(`${service} did ${eventId} before ${before.eventId}`)
        before = { seq, eventId }
      }
    }
  }
  return disordered
}

function countOutcomes({ accepted, states }: History): Readonly<Record<string, number>> {
  return countBy(accepted, (orderId) => {
    const { state = 'unknown', reason = null } = states.get(orderId) ?? {}
    return reason === null ? state : `${state}: ${reason}`
  })
}

function countBy<T>(things: readonly T[], name: (thing: T) => string): Readonly<Record<string, number>> {
  const groups = [...groupBy(things, name)].map(([group, members]) => [group, members.length] as const)
  return Object.fromEntries(groups.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

function byPlace(a: Place, b: Place): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1
  if (a.partition !== b.partition) return a.partition - b.partition
  return a.offset < b.offset ? -1 : 1
}

function place({ topic, partition, offset }: Place): string {
  return `${topic}[${partition}]@${offset}`
}
