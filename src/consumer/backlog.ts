import type { InboundRecords } from '../driver/index.ts'
import type { InboundRecord } from '../record/index.ts'
import type { Mutable } from './mutable.ts'
import { createQueue } from './queue.ts'
import { detached, recordBytes } from './record-bytes.ts'

/**
 * What has come of one partition and was not looked at yet. A record is made when its turn comes: made before, thousands would
 * grow old in memory, and the collector would move each of them twice, with all that is noted on them later.
 */
export interface Backlog {
  /** @param nextOffset - the offset after the last one that these cover */
  add(records: InboundRecords, nextOffset: bigint, now: number): void
  /** Takes the next record out; undefined when there is none. The one before it is in its place by then. */
  next(): InboundRecord | undefined
  /** What was taken out last is in its place: with it all may be covered that came with it. */
  cover(): void
  /** Since when what is taken out now is here, on the monotonic clock. */
  since(): number
  /** Puts what came before `before` on bytes of its own: it may keep megabytes of records that are long done. */
  detach(before: number): void
  clear(): void
  readonly records: number
  readonly bytes: number
}

interface Part {
  iterator: Iterator<InboundRecord>
  /** The next one, where it was looked whether there is one. */
  ahead: IteratorResult<InboundRecord, unknown> | null
  records: number
  bytes: number
  readonly nextOffset: bigint
  readonly since: number
  isDetached: boolean
}

/** Makes an empty {@link Backlog}. `onCovered` is told when all up to an offset has been taken out. */
export function createBacklog(onCovered: (nextOffset: bigint) => void): Backlog {
  const parts = createQueue<Part>()

  const leave = (part: Part): void => {
    parts.shift()
    backlog.records -= part.records
    backlog.bytes -= part.bytes
    onCovered(part.nextOffset)
  }

  const backlog: Mutable<Backlog> = {
    records: 0,
    bytes: 0,
    add(added, nextOffset, now) {
      const size = added.byteLength ?? bytesOf(added)
      parts.push({
        iterator: added[Symbol.iterator](),
        ahead: null,
        records: added.length,
        bytes: size,
        nextOffset,
        since: now,
        isDetached: false,
      })
      backlog.records += added.length
      backlog.bytes += size
    },
    next() {
      for (let part = parts.peek(); part !== undefined; part = parts.peek()) {
        const next = part.ahead ?? part.iterator.next()
        part.ahead = null
        if (next.done === true) {
          leave(part)
          continue
        }
        const size = recordBytes(next.value)
        part.records--
        part.bytes -= size
        backlog.records--
        backlog.bytes -= size
        return next.value
      }
      return undefined
    },
    cover() {
      for (let part = parts.peek(); part !== undefined && part.records <= 0; part = parts.peek()) {
        part.ahead ??= part.iterator.next() // asked, not believed: what is covered too early is lost
        if (part.ahead.done !== true) return
        leave(part)
      }
    },
    since: () => parts.peek()?.since ?? 0,
    detach(before) {
      parts.forEach((part) => {
        if (part.isDetached || part.since > before) return
        part.isDetached = true
        part.iterator = [...{ [Symbol.iterator]: () => part.iterator }].map(detached).values()
      })
    },
    clear() {
      parts.clear()
      backlog.records = backlog.bytes = 0
    },
  }
  return backlog
}

function bytesOf(records: InboundRecords): number {
  let bytes = 0
  for (const record of records) bytes += recordBytes(record)
  return bytes
}
