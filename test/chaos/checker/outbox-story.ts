import { keyPlace } from '../../../src/outbox/index.ts'
import type { EventOf } from '../history/index.ts'
import type { IndexedHistory } from './index-history.ts'
import { wasKilled } from './process-stories.ts'
import type { OutboxData, OutboxRecord, OutboxRow } from './run-data.ts'

/** A message on its way from a relay's hand to Kafka and back to the database. */
export interface RelayedMessage {
  readonly proc: string
  readonly topic: string
  readonly partition: number
  readonly sentAt: number
  /** `open`: its process has not lived, or waited, to hear. `doubt`: it may be on the log. */
  end: 'acked' | 'doubt' | 'failed' | 'open'
  answeredAt: number | undefined
  /** Another row of its batch was not written, so that it counts as not sent if it stands behind that one. */
  isPartOfFailed: boolean
  /** Where it stands, if that is known. */
  offset: bigint | undefined
  /** When the database had marked it, by this process' word: unless another worker had its bucket by then. */
  markedAt: number | undefined
}

/** A process has a bucket, from when it hears of it until it is over by its own word or its end. */
export interface BucketHold {
  readonly proc: string
  readonly bucket: number
  readonly epoch: bigint
  readonly from: number
  readonly until: number
  /** It gave the bucket back by itself. */
  readonly isReleased: boolean
}

/** An outbox and its relays, arranged for the checks. */
export interface OutboxStory extends OutboxData {
  readonly rowOf: ReadonlyMap<string, OutboxRow>
  /** By message id, in the order of the log. */
  readonly copies: ReadonlyMap<string, readonly OutboxRecord[]>
  /** By message id, in time. */
  readonly sends: ReadonlyMap<string, readonly RelayedMessage[]>
  readonly holds: readonly BucketHold[]
  /** Of the processes that were stopped and let go on. */
  readonly pauses: ReadonlyMap<string, readonly Pause[]>
}

interface Pause {
  readonly from: number
  until: number
}

/** What the machine calls it when it stops a process, or finds one that has stopped itself. */
export const STAND_STILL = 'stand still'

const stories = new WeakMap<IndexedHistory, OutboxStory>()

/** The {@link OutboxStory} of a run; undefined when it has no outbox. */
export function outboxStory(history: IndexedHistory): OutboxStory | undefined {
  const { outbox } = history
  if (outbox === undefined) return undefined
  const known = stories.get(history)
  if (known !== undefined) return known
  const copies = new Map<string, OutboxRecord[]>()
  for (const record of outbox.records) {
    if (record.id === null) continue
    const own = copies.get(record.id)
    if (own === undefined) copies.set(record.id, [record])
    else own.push(record)
  }
  const story: OutboxStory = {
    ...outbox,
    rowOf: new Map(outbox.rows.map((row) => [row.id, row])),
    copies,
    sends: followSends(history),
    holds: followHolds(history),
    pauses: followPauses(history),
  }
  stories.set(history, story)
  return story
}

/** The bucket that a row lies in. */
export function bucketOf(topic: string, row: OutboxRow): number {
  return keyPlace(topic, Buffer.from(row.key)).bucket
}

function followSends({ events }: IndexedHistory): ReadonlyMap<string, readonly RelayedMessage[]> {
  const sends = new Map<string, RelayedMessage[]>()
  const batches = new Map<string, { readonly ids: readonly string[]; readonly messages: RelayedMessage[] }>()
  for (const event of events) {
    switch (event.f) {
      case 'relay-send': {
        const messages = event.ids.map((id) => {
          const message = begun(event)
          const own = sends.get(id)
          if (own === undefined) sends.set(id, [message])
          else own.push(message)
          return message
        })
        batches.set(`${event.proc} ${event.batch}`, { ids: event.ids, messages })
        break
      }
      case 'relay-answer': {
        const batch = batches.get(`${event.proc} ${event.batch}`)
        if (batch !== undefined) answer(batch, event)
        break
      }
      case 'relay-mark':
        if (event.phase !== 'ok') break
        for (const id of event.ids) {
          for (const send of sends.get(id) ?? []) if (send.proc === event.proc) send.markedAt ??= event.t
        }
        break
      default:
    }
  }
  return sends
}

function begun({ proc, topic, partition, t }: EventOf<'relay-send'>): RelayedMessage {
  const nothing = { answeredAt: undefined, offset: undefined, markedAt: undefined, isPartOfFailed: false }
  return { proc, topic, partition, sentAt: t, end: 'open', ...nothing }
}

function answer(
  batch: { readonly ids: readonly string[]; readonly messages: RelayedMessage[] },
  { acked, offsets, code, t }: EventOf<'relay-answer'>,
): void {
  const places = new Map(acked.map((id, i) => [id, BigInt(offsets[i]!)]))
  for (const [i, message] of batch.messages.entries()) {
    const offset = places.get(batch.ids[i]!)
    message.answeredAt = t
    message.offset = offset
    message.isPartOfFailed = code !== undefined
    message.end = offset !== undefined ? 'acked' : code === 'HOLDFAST_INDETERMINATE' ? 'doubt' : 'failed'
  }
}

function followHolds({ events, processes }: IndexedHistory): readonly BucketHold[] {
  const open = new Map<string, EventOf<'bucket'>>()
  const holds: BucketHold[] = []
  const end = ({ proc, bucket, epoch, t: from }: EventOf<'bucket'>, until: number, isReleased: boolean): void => {
    open.delete(`${proc} ${bucket}`)
    holds.push({ proc, bucket, epoch, from, until, isReleased })
  }
  for (const event of events) {
    if (event.f !== 'bucket') continue
    const name = `${event.proc} ${event.bucket}`
    if (event.change === 'taken') open.set(name, event)
    else if (open.has(name)) end(open.get(name)!, event.t, event.change === 'released')
  }
  for (const event of Array.from(open.values())) end(event, processes.get(event.proc)?.stoppedAt ?? Infinity, false)
  return holds.toSorted((a, b) => a.from - b.from)
}

function followPauses({ events }: IndexedHistory): ReadonlyMap<string, readonly Pause[]> {
  const pauses = new Map<string, Pause[]>()
  for (const event of events) {
    // By its own word it stands still some moments before the machine sees it.
    const proc = event.f === 'stand-still' ? event.proc : event.f === 'nemesis' ? event.target : null
    if (proc === null || (event.f === 'nemesis' && event.fault !== STAND_STILL)) continue
    const own = pauses.get(proc) ?? []
    pauses.set(proc, own)
    const last = own.at(-1)
    if (event.f === 'nemesis' && event.phase === 'stop') {
      if (last !== undefined) last.until = event.t
    } else if (last === undefined || last.until !== Infinity) own.push({ from: event.t, until: Infinity })
  }
  return pauses
}

/** Did a process stand still at some time between these two? */
export function stoodStill({ pauses }: OutboxStory, proc: string, from: number, until: number): boolean {
  return (pauses.get(proc) ?? []).some((pause) => pause.from <= until && pause.until >= from)
}

/** Why a message that was sent may have been sent again. */
export type ResendReason =
  /** Its process was killed before the database had marked it, by all that is known. */
  | 'killed'
  /** Whether it was written, or a row before it in its batch, was not known. */
  | 'doubt'
  /** Its bucket went to another worker while it was under way, or not marked yet. */
  | 'lease'

/**
 * A mark is fenced by the database: it may have left alone what another worker had by then, which heard of its lease somewhat later than the
 * database had given it.
 */
const HEARS_LATE_US = 2_000_000

/** Why one send followed another one of the same message; null when nothing explains it. */
export function whyAgain(
  { processes }: IndexedHistory,
  { holds }: OutboxStory,
  bucket: number,
  before: RelayedMessage,
  next: RelayedMessage,
): ResendReason | null {
  const process = processes.get(before.proc)
  if (before.markedAt === undefined && wasKilled(process) && process!.stoppedAt! <= next.sentAt) return 'killed'
  if (before.end === 'doubt' || before.isPartOfFailed) return 'doubt'
  const isMoved = holds.some(
    ({ bucket: of, proc, from }) =>
      of === bucket &&
      proc === next.proc &&
      proc !== before.proc &&
      from <= next.sentAt &&
      from <= (before.markedAt ?? Infinity) + HEARS_LATE_US,
  )
  return isMoved ? 'lease' : null
}
