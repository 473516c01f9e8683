import { HoldfastError } from '../../../src/errors/index.ts'
import type { BeginResult, DedupeOutcome, DedupeStore, LeaseToken } from '../../../src/idempotency/index.ts'
import type { SimulatedProcess, Simulation } from '../../../src/testing/simulation/index.ts'
import type { Ledger } from './ledger.ts'
import type { StoreKind } from './plan.ts'

/**
 * A dedupe store on a server that all processes share, and the way to it: calls are lost, or their answers are, or take longer than anybody
 * waits; the server is out for a while, its clock jumps, or another one takes over that has not heard of the last moments.
 */
export interface RemoteStore {
  /** As a process sees it. */
  of(process: SimulatedProcess): DedupeStore
  /** Is it marked, as far as the server knows? */
  isMarked(messageId: string): boolean
  /** Was it ever marked? */
  wasMarked(messageId: string): boolean
  /** Has this process been told that it may work on the message, and has not given that back? */
  isHeldBy(process: SimulatedProcess, messageId: string): boolean
  /** A call of a handler has used up an attempt. */
  failed(process: SimulatedProcess, messageId: string): void
  /** How many leases of the message have ended by themselves. */
  unendedOf(messageId: string): number
  down: boolean
  /** No call is lost any more, and none is slow. */
  calm: boolean
  /** The clock jumps, or a server takes over that has forgotten. */
  trouble(): void
}

/** What {@link createRemoteStore} needs. */
export interface RemoteStoreOptions {
  readonly simulation: Simulation
  readonly kind: StoreKind
  /** How often a call has a fault, from 0 to 1. */
  readonly faults: number
  /** For how long its callers wait. */
  readonly timeoutMs: number
  readonly maxAttempts: number
  readonly ledger: () => Ledger
  /** Has it gone on without the store? */
  readonly isUnguarded: (messageId: string) => boolean
  readonly isDisturbed: (process: SimulatedProcess) => boolean
}

/** One message, as the server knows it. */
interface Row {
  readonly outcome: DedupeOutcome | null
  readonly markedBy: LeaseToken | null
  readonly lease: LeaseToken | null
  /** By the server's clock. */
  readonly leaseUntil: number
  /** What it would be if that clock had never jumped. */
  readonly honestUntil: number
  readonly attempt: number
}

/** What became of a begin, for those who look. */
interface Lease {
  readonly messageId: string
  readonly process: SimulatedProcess
  /** Attempts that were used up: those before it, and its own. */
  used: number
  /** When its answer came to its process; null when it never did. */
  told: { readonly atMs: number; readonly inTime: boolean } | null
  /** A call that was to renew it, or to give it back, has had a fault. */
  renewalFailed: boolean
  abandonFailed: boolean
  givenBack: boolean
  /** A call has failed that may have been another's of the same message: nobody knows how many attempts are its own. */
  unsure: boolean
}

type Fate = 'fine' | 'request-lost' | 'answer-lost' | 'request-slow' | 'answer-slow'
const FAULTS = ['request-lost', 'answer-lost', 'request-slow', 'answer-slow'] as const

const FRESH: Row = { outcome: null, markedBy: null, lease: null, leaseUntil: 0, honestUntil: 0, attempt: 0 }

/** A process that is well gives back a lease of which it hears too late, or takes this long at the most to get there. */
const TIME_TO_GIVE_BACK_MS = 100

/**
 * Makes a {@link RemoteStore}. Nothing may be marked before it has its outcome, no failed attempt may be forgotten or made up, a lease that comes too late is
 * given back, and one is renewed as long as its handler is at work. Whatever may have a message handled again is told to the ledger.
 */
export function createRemoteStore(options: RemoteStoreOptions): RemoteStore {
  const { simulation, kind, faults, timeoutMs, maxAttempts, isDisturbed } = options
  const { int, chance, violation, note } = simulation
  const rows = new Map<string, Row>()
  const history: { readonly atMs: number; readonly messageId: string; readonly before: Row }[] = []
  const leases = new Map<LeaseToken, Lease>()
  const marked = new Set<string>() // ever
  const unended = new Map<string, number>()
  let skewMs = 0
  let begun = 0

  const serverNow = (): number => simulation.now + skewMs
  const rowOf = (messageId: string): Row => rows.get(messageId) ?? FRESH
  const write = (messageId: string, change: Partial<Row>): void => {
    const before = rowOf(messageId)
    history.push({ atMs: simulation.now, messageId, before })
    rows.set(messageId, { ...before, ...change })
  }
  const unavailable = (): HoldfastError => new HoldfastError('HOLDFAST_STORE_UNAVAILABLE', 'down', { retriable: true })
  const leaseLost = (): HoldfastError => new HoldfastError('HOLDFAST_LEASE_LOST', 'lost')
  const drawFate = (): Fate => (store.calm || !chance(faults) ? 'fine' : FAULTS[int(FAULTS.length)]!)
  const slow = (): number => timeoutMs + 1 + int(2 * timeoutMs)
  /** What is on its way gets there, whatever becomes of who has sent it. */
  const toServer = (ms: number): Promise<void> =>
    new Promise((resolve) => simulation.at(simulation.now + ms, () => resolve()))
  /** Half of what is lost is noticed at once, as when a connection breaks. */
  const lost = (): Promise<never> => (chance(0.5) ? Promise.reject(unavailable()) : new Promise<never>(() => {}))

  /** @param onFault - told when what was asked was not done in time */
  const ask = async <T>(process: SimulatedProcess, fate: Fate, onFault: () => void, apply: () => T): Promise<T> => {
    if (fate === 'request-slow' || fate === 'request-lost') onFault()
    await toServer(fate === 'request-slow' ? slow() : int(4))
    if (store.down) {
      onFault()
      await process.pause(int(4))
      throw unavailable()
    }
    if (fate === 'request-lost') return lost()
    const answer = apply()
    if (fate === 'answer-lost') return lost()
    await process.pause(fate === 'answer-slow' ? slow() : int(4))
    return answer
  }

  /** A lease has ended without a word of its holder: why? */
  const explain = (token: LeaseToken, { honestUntil }: Row): void => {
    const { messageId, process, told, renewalFailed, abandonFailed, givenBack } = leases.get(token)!
    unended.set(messageId, (unended.get(messageId) ?? 0) + 1)
    if (simulation.now < honestUntil) options.ledger().excuse(messageId, 'the clock ended its lease early')
    if (renewalFailed) options.ledger().excuse(messageId, 'its lease could not be renewed')
    if (isDisturbed(process) || process.state === 'killed' || options.ledger().isExcused(messageId)) return
    if (told === null || abandonFailed || givenBack) return
    if (!told.inTime && simulation.now - told.atMs > TIME_TO_GIVE_BACK_MS)
      violation('not-given-back', `${process.name} has heard too late that it may begin ${messageId}, and keeps it`)
    if (told.inTime && options.ledger().atWork(process, messageId) !== undefined)
      violation('lease-not-kept', `${process.name} is at work on ${messageId}, and its lease has run out`)
  }

  const begin = (process: SimulatedProcess, messageId: string, leaseMs: number): BeginResult => {
    const row = rowOf(messageId)
    if (row.outcome !== null) return { kind: 'done', outcome: row.outcome }
    const leftMs = row.leaseUntil - serverNow()
    if (row.lease !== null && leftMs > 0) return { kind: 'busy', untilMs: process.runtime.clock.now() + leftMs }
    if (row.lease !== null) explain(row.lease, row)
    const attempt = row.attempt + 1
    const most = maxAttempts + store.unendedOf(messageId)
    if (attempt > most) violation('attempts-above', `${messageId} begins for the ${attempt}th time, of ${most}`)
    const token = `t${++begun}`
    const until = { leaseUntil: serverNow() + leaseMs, honestUntil: simulation.now + leaseMs }
    write(messageId, { lease: token, attempt, ...until })
    const fresh = { told: null, renewalFailed: false, abandonFailed: false, givenBack: false, unsure: false }
    leases.set(token, { messageId, process, used: attempt - 1, ...fresh })
    return { kind: 'started', token, attempt }
  }

  const checkOutcome = (process: SimulatedProcess, messageId: string, outcome: DedupeOutcome): void => {
    const ledger = options.ledger()
    const isOver =
      outcome === 'parked'
        ? ledger.isParked(messageId)
        : ledger.hasHappened(messageId) || ledger.isExcusedFromEffect(messageId)
    if (!isOver) violation('marked-too-early', `${process.name} marks ${messageId} as ${outcome}`)
  }

  /** Whoever marks has held its lease all the time, where nobody has kept it from that. */
  const checkKept = ({ messageId, process, renewalFailed }: Lease, { honestUntil }: Row): void => {
    if (simulation.now <= honestUntil || renewalFailed) return
    if (isDisturbed(process) || options.ledger().isExcused(messageId)) return
    violation('lease-not-kept', `${process.name} marks ${messageId}, whose lease has run out`)
  }

  const checkAttempts = ({ messageId, used, unsure }: Lease, failedAttempts: number | undefined): void => {
    if (failedAttempts === undefined || unsure) return
    if (failedAttempts < Math.min(used, maxAttempts - 1))
      violation('attempts-forgotten', `${messageId}: ${failedAttempts} of ${used}`)
    if (failedAttempts > used) violation('attempts-made-up', `${messageId}: ${failedAttempts} of ${used}`)
  }

  const store: RemoteStore = {
    down: false,
    calm: false,
    isMarked: (messageId) => rowOf(messageId).outcome !== null,
    wasMarked: (messageId) => marked.has(messageId),
    isHeldBy: (process, messageId) =>
      [...leases.values()].some(
        (lease) =>
          lease.process === process && lease.messageId === messageId && lease.told?.inTime === true && !lease.givenBack,
      ),
    failed(process, messageId) {
      const own = [...leases.values()].filter(
        (lease) =>
          lease.process === process && lease.messageId === messageId && lease.told !== null && !lease.givenBack,
      )
      for (const lease of own) {
        lease.used++
        if (own.length > 1 || options.isUnguarded(messageId)) lease.unsure = true
      }
    },
    unendedOf: (messageId) => unended.get(messageId) ?? 0,
    trouble() {
      if (kind === 'postgres') {
        const ms = (chance(0.5) ? 1 : -1) * (500 + int(4_000))
        note(`the clock of the store jumps by ${ms} ms`)
        skewMs += ms
        return
      }
      const since = simulation.now - int(1_000)
      note(`a store takes over that has not heard of what came since ${since}`)
      while (history.length > 0 && history.at(-1)!.atMs >= since) {
        const { messageId, before } = history.pop()!
        rows.set(messageId, before)
        options.ledger().excuse(messageId, 'it was forgotten')
      }
    },
    of: (process) => ({
      async begin(id, { leaseMs }) {
        const messageId = messageIdOf(id)
        const askedAt = simulation.now
        const fate = drawFate()
        const answer = await ask(
          process,
          fate,
          () => {},
          () => begin(process, messageId, leaseMs),
        )
        note(`${process.name} begins ${messageId} at the store: ${answer.kind}`)
        if (answer.kind === 'started')
          leases.get(answer.token)!.told = { atMs: simulation.now, inTime: simulation.now - askedAt < timeoutMs }
        return answer
      },
      complete(token, outcome) {
        const { messageId } = leases.get(token)!
        checkOutcome(process, messageId, outcome)
        const onFault = (): void => options.ledger().excuse(messageId, 'its mark was not made in time')
        return ask(process, drawFate(), onFault, () => {
          const row = rowOf(messageId)
          if (row.lease === token) {
            checkKept(leases.get(token)!, row)
            note(`${process.name} marks ${messageId} as ${outcome}`)
            write(messageId, { outcome, markedBy: token, lease: null, attempt: 0 })
            marked.add(messageId)
          } else if (row.markedBy !== token) throw leaseLost()
        })
      },
      abandon(token, failedAttempts) {
        const lease = leases.get(token)!
        checkAttempts(lease, failedAttempts)
        lease.givenBack = true
        return ask(
          process,
          drawFate(),
          () => (lease.abandonFailed = true),
          () => {
            const row = rowOf(lease.messageId)
            if (row.lease !== token) return
            note(`${process.name} gives ${lease.messageId} back, after ${failedAttempts} attempts`)
            write(lease.messageId, { lease: null, attempt: failedAttempts ?? row.attempt - 1 })
          },
        )
      },
      renew(token, leaseMs) {
        const lease = leases.get(token)!
        return ask(
          process,
          drawFate(),
          () => (lease.renewalFailed = true),
          () => {
            if (rowOf(lease.messageId).lease !== token) throw leaseLost()
            write(lease.messageId, { leaseUntil: serverNow() + leaseMs, honestUntil: simulation.now + leaseMs })
          },
        )
      },
    }),
  }
  return store
}

function messageIdOf(id: string): string {
  return (JSON.parse(id) as readonly string[])[2]!
}
