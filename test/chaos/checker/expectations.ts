import type { CounterName } from './counters.ts'

/** What a scenario promises beyond what always holds. */
export interface Expectations {
  readonly groups: readonly GroupExpectation[]
  /** Codes of sends that may fail for certain. @defaultValue none */
  readonly allowedProduceFailures?: readonly string[]
  /** Exit codes, and signals by which a process may end. @defaultValue `[0]` */
  readonly allowedExits?: readonly (number | string)[]
  /** From the last heal, or the acknowledgement of a later record, until everything has its outcome and is committed. */
  readonly livenessBoundMs: number
  /** @defaultValue no bound */
  readonly maxRssSlopeMbPerMinute?: number
  /** @defaultValue no bound */
  readonly maxBufferedBytes?: number
  /** Text of payloads that must never leave a service. @defaultValue none */
  readonly canaries?: readonly string[]
  /** @defaultValue a message may come twice where the history explains it */
  readonly outbox?: OutboxExpectation
  /** The run has proven nothing while one of these is 0. @defaultValue none */
  readonly requiredCounters?: readonly CounterName[]
}

export interface OutboxExpectation {
  /** `none`: no message comes twice, since nothing happens that could explain it. @defaultValue `explained` */
  readonly doubles?: 'explained' | 'none'
  /**
   * An old copy behind a newer record of its key, which does not come again after it. `after-a-pause`: where its sender stood still. `none`: a
   * transactional id for each bucket fences it off. @defaultValue `after-a-pause`
   */
  readonly staleCopies?: 'after-a-pause' | 'none'
}

export interface GroupExpectation {
  readonly group: string
  readonly topics: readonly string[]
  readonly ordering: 'key' | 'partition' | 'none'
  /**
   * `once-but-for-windows`: effect and mark are two writes, and an effect comes again only where the history explains it (see `doublesOf`).
   * `none`: its handlers write no rows; the journal is believed.
   */
  readonly effects: 'exactly-once' | 'once-but-for-windows' | 'at-least-once' | 'none'
  /** Its effects are committed after the handler has ended, together with their marks: `handled` says when. @defaultValue false */
  readonly inbox?: boolean
  /** May it go on elsewhere by a seek or an out-of-range policy? @defaultValue false */
  readonly mayReset?: boolean
  /** `later`: what stood there before its first position is not its business. @defaultValue `earliest` */
  readonly startsAt?: 'earliest' | 'later'
  /** @defaultValue not checked */
  readonly retry?: RetryExpectation
  /** Handler calls at the same time in one process. @defaultValue no bound */
  readonly inFlightLimit?: number
  /** Its handlers get several records in one call, those of one key included. @defaultValue false */
  readonly handlesBatches?: boolean
}

export interface RetryExpectation {
  readonly maxAttempts: number
  readonly initialDelayMs: number
  readonly factor: number
  readonly maxDelayMs: number
  readonly jitter: number
  /** Error codes that are parked at once. @defaultValue none */
  readonly neverRetried?: readonly string[]
}
