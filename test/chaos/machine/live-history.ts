import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** What the journals say so far: enough to know when to go on, read while they grow. */
export interface LiveHistory {
  /** Acknowledged sends. */
  readonly acked: number
  /** Handled, known as duplicates, parked or skipped; repeats count. */
  readonly outcomes: number
  readonly parked: number
  readonly retried: number
  /** Who has each partition now, by its own word. */
  readonly owners: ReadonlyMap<string, string>
  /** Who has each bucket of the outbox now, by its own word. */
  readonly buckets: ReadonlyMap<number, string>
  /** Messages of the outbox that a relay knows to be on the log. */
  readonly relayed: ReadonlySet<string>
  /** How many events of a kind a process has written; all processes' when left out. */
  count(kind: string, proc?: string): number
  /** The highest offset that a send was told, by `topic[partition]`. */
  readonly ackedUpTo: ReadonlyMap<string, bigint>
  /** Calls of a dedupe store or an inbox that got no answer, or another one than they need, by the code of what was in the way. */
  readonly storeFailures: ReadonlyMap<string, number>
  /** What each member last said of its health: `unhealthy: running; offset 4 is not on the log …`. */
  readonly health: ReadonlyMap<string, string>
  /** A topic was made anew, and nobody writes to it yet: what was acknowledged on the old one is not awaited on the new one. */
  beginAnew(topic: string): void
  /** Reads what has come since. */
  look(): void
  /** Resolves when the condition holds, looking whenever the journals may have grown. @throws Error after `withinMs`, saying what was awaited. */
  until(what: string, condition: () => boolean, withinMs: number, stop: AbortSignal): Promise<void>
}

const LOOK_EVERY_MS = 100

/** Follows the journals of a folder; nothing is read before the first look. */
export function followHistory(folder: string): LiveHistory {
  const tails = new Map<string, Tail>()
  const counts = new Map<string, number>()
  const owners = new Map<string, string>()
  const buckets = new Map<number, string>()
  const epochs = new Map<number, bigint>()
  const relayed = new Set<string>()
  const ackedUpTo = new Map<string, bigint>()
  const health = new Map<string, string>()
  const storeFailures = new Map<string, number>()
  let [acked, outcomes, parked, retried] = [0, 0, 0, 0]

  function look(): void {
    for (const name of readdirSync(folder)) {
      if (!name.endsWith('.jsonl')) continue
      const tail = tails.get(name) ?? openTail(join(folder, name))
      tails.set(name, tail)
      for (const line of tail.newLines()) note(JSON.parse(line) as Line)
    }
  }

  function note(event: Line): void {
    const { f, proc } = event
    for (const name of [f, `${f} ${proc}`]) counts.set(name, (counts.get(name) ?? 0) + 1)
    const place = `${event.topic}[${event.partition}]`
    switch (f) {
      case 'produce-ok':
        acked += 1
        raise(ackedUpTo, place, event)
        break
      case 'assign':
        owners.set(place, proc)
        break
      case 'revoke':
      case 'lost':
        if (owners.get(place) === proc) owners.delete(place)
        break
      case 'stop':
        for (const [owned, owner] of owners) if (owner === (event.of ?? proc)) owners.delete(owned)
        for (const [owned, owner] of buckets) if (owner === (event.of ?? proc)) buckets.delete(owned)
        break
      case 'bucket':
        noteBucket(event)
        break
      case 'relay-answer':
        for (const id of event.acked!) relayed.add(id)
        break
      case 'handler-end':
        if (event.result === 'ok' || event.result === 'skipped' || event.result === 'duplicate') outcomes += 1
        break
      case 'dedupe':
        outcomes += 1
        break
      case 'park':
        parked += 1
        outcomes += 1
        break
      case 'retry':
        retried += 1
        break
      case 'store':
        if (event.result === 'failed') storeFailures.set(event.code!, (storeFailures.get(event.code!) ?? 0) + 1)
        break
      case 'health':
        health.set(proc, `${event.state}: ${event.reason ?? ''}`)
        break
      default:
    }
  }

  /** Journals are read one after the other, and what is in two of them in any order: the epoch tells what came last. */
  function noteBucket({ proc, change, bucket = 0, epoch = '0' }: Line): void {
    const [known, now] = [epochs.get(bucket) ?? -1n, BigInt(epoch)]
    if (change === 'taken') {
      if (now <= known) return
      epochs.set(bucket, now)
      buckets.set(bucket, proc)
    } else if (now === known) buckets.delete(bucket)
  }

  return {
    get acked() {
      return acked
    },
    get outcomes() {
      return outcomes
    },
    get parked() {
      return parked
    },
    get retried() {
      return retried
    },
    owners,
    buckets,
    relayed,
    ackedUpTo,
    health,
    storeFailures,
    beginAnew(topic) {
      look()
      for (const place of ackedUpTo.keys()) if (place.startsWith(`${topic}[`)) ackedUpTo.delete(place)
    },
    look,
    count: (kind, proc) => counts.get(proc === undefined ? kind : `${kind} ${proc}`) ?? 0,
    async until(what, condition, withinMs, stop) {
      const deadline = performance.now() + withinMs
      for (;;) {
        stop.throwIfAborted()
        look()
        if (condition()) return
        if (performance.now() > deadline) throw new Error(`${what} did not happen within ${withinMs / 1_000} s`)
        await sleep(LOOK_EVERY_MS)
      }
    },
  }
}

function raise(highest: Map<string, bigint>, place: string, { offset = '0' }: Line): void {
  const at = BigInt(offset)
  if (at > (highest.get(place) ?? -1n)) highest.set(place, at)
}

interface Line {
  readonly f: string
  readonly proc: string
  readonly of?: string
  readonly topic?: string
  readonly partition?: number
  readonly offset?: string
  readonly result?: string
  readonly code?: string
  readonly state?: string
  readonly reason?: string
  readonly change?: string
  readonly bucket?: number
  readonly epoch?: string | number
  readonly acked?: readonly string[]
}

interface Tail {
  /** Whole lines that were not there before. */
  newLines(): readonly string[]
}

const CHUNK_BYTES = 2 ** 20

function openTail(file: string): Tail {
  let at = 0
  let rest = ''
  const chunk = Buffer.alloc(CHUNK_BYTES)
  return {
    newLines() {
      const fd = openSync(file, 'r')
      try {
        for (;;) {
          const bytes = readSync(fd, chunk, 0, CHUNK_BYTES, at)
          if (bytes === 0) break
          at += bytes
          rest += chunk.toString('latin1', 0, bytes) // what is looked at is plain text, and no chunk ends within a letter
        }
      } finally {
        closeSync(fd)
      }
      const lines = rest.split('\n')
      rest = lines.pop()!
      return lines
    },
  }
}
