import type { Expectations } from '../checker/index.ts'
import type { RelayTuning, TransactionShares } from '../worker/index.ts'
import type { RelayWorld } from './relay-world.ts'

/** A fault of the plan that an outbox and its relays have to bear. */
export interface RelayScenario {
  readonly kind: 'relay'
  /** The fault's number in the plan. */
  readonly number: number
  readonly name: string
  /** One sentence: what happens, and what has to come of it. */
  readonly about: string
  /** What it takes on two cores, start to verdict. */
  readonly seconds: number
  readonly workload?: Partial<RelayWorkload>
  readonly expectations?: RelayExpectations
  /** Why it cannot run on this machine; null when it can. */
  readonly impossible?: () => Promise<string | null>
  /** Once a good part of the work is done. Resolves when all is healed. */
  readonly inject: (world: RelayWorld) => Promise<void>
  /** When the outbox is empty: what else must be. A sentence for each thing that is not. */
  readonly verify?: (world: RelayWorld) => Promise<readonly string[]>
}

/** What a scenario promises beyond what always holds. */
export interface RelayExpectations extends Omit<Expectations, 'groups' | 'livenessBoundMs'> {
  /** @defaultValue `60_000` */
  readonly livenessBoundMs?: number
}

/** Who works, and on what. */
export interface RelayWorkload {
  readonly partitions: number
  readonly enqueuers: number
  readonly relays: number
  /** Transactions of all enqueuers together. */
  readonly ratePerSecond: number
  /** Transactions side by side in one enqueuer. */
  readonly lanes: number
  readonly keys: number
  readonly padBytes: number
  readonly shares: TransactionShares
  /** Commits are told by NOTIFY, and relays listen. */
  readonly notify: boolean
  readonly relay: Omit<RelayTuning, 'transactionalIdPrefix'>
  /** Each bucket is sent in transactions of its own id. */
  readonly transactional: boolean
  /** By worker name, for its first incarnation. */
  readonly dieAt: Readonly<Record<string, string>>
  readonly standAt: Readonly<Record<string, string>>
}

/** Two enqueuers and two relays, with leases that are short enough to see them move. */
export const USUAL_RELAYING: RelayWorkload = {
  partitions: 6,
  enqueuers: 2,
  relays: 2,
  ratePerSecond: 60,
  lanes: 8,
  keys: 40,
  padBytes: 100,
  shares: { 'rolled-back': 100, 'part-rolled-back': 50, held: 10, many: 100, wide: 0, crossed: 20 },
  notify: false,
  relay: { leaseMs: 4_000, deliveryTimeoutMs: 1_500, idleIntervalMs: 100, sweepIntervalMs: 30_000 },
  transactional: false,
  dieAt: {},
  standAt: {},
}
