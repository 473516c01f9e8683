import type { Accident, ConsumerConfig, FateShares, ProducerConfig } from '../worker/index.ts'
import type { Expectations, GroupExpectation } from '../checker/index.ts'
import type { DedupePlan } from './dedupe-servers.ts'
import type { RelayScenario } from './relay-scenario.ts'
import type { World } from './world.ts'

/** A fault with whoever has to bear it: the members of a group, or an outbox and its relays. */
export type AnyScenario = Scenario | RelayScenario

/** One fault of the plan, what it is done to, and what is expected of it: all data, but for the deed. */
export interface Scenario {
  /** @defaultValue members of a group */
  readonly kind?: 'group'
  /** The fault's number in the plan. */
  readonly number: number
  readonly name: string
  /** One sentence: what happens, and what has to come of it. */
  readonly about: string
  /** What it takes on two cores, start to verdict. */
  readonly seconds: number
  readonly workload?: Partial<Workload>
  readonly expectations?: ScenarioExpectations
  /** Why it cannot run on this machine; null when it can. */
  readonly impossible?: () => Promise<string | null>
  /** Before any worker starts: topics of its own making, records of strangers. */
  readonly prepare?: (world: World) => Promise<void>
  /** Once a good part of the work is done. Resolves when all is healed. */
  readonly inject: (world: World) => Promise<void>
  /** `itself`: the log does not tell what happened, since it was made anew; {@link verify} says it all. @defaultValue the checker */
  readonly judgedBy?: 'itself'
  /** After all has come to rest: what else must be. A sentence for each thing that is not. */
  readonly verify?: (world: World) => Promise<readonly string[]>
}

/** What a scenario promises beyond what always holds; what is left out follows from the workload. */
export interface ScenarioExpectations extends Omit<Expectations, 'groups' | 'livenessBoundMs'> {
  readonly group?: Partial<GroupExpectation>
  /** @defaultValue `60_000` */
  readonly livenessBoundMs?: number
}

/** Who works, and on what. */
export interface Workload {
  readonly partitions: number
  readonly topicSettings: Readonly<Record<string, string>>
  readonly deadLetterSettings: Readonly<Record<string, string>>
  readonly producers: number
  readonly consumers: number
  /** Of all producers together. */
  readonly ratePerSecond: number
  readonly keys: number
  readonly padBytes: number
  readonly deliveryTimeoutMs: number
  readonly oversized?: ProducerConfig['oversized']
  /** Each producer has an id of its own, unless they share one to fence each other. */
  readonly transactions?: Omit<NonNullable<ProducerConfig['transactions']>, 'transactionalId'>
  /** Counts only where no store or inbox recognises duplicates: with those they are `plain`. */
  readonly effects: 'marked' | 'plain'
  readonly dedupe: DedupePlan
  /** May the nemesis move the wall clocks of the workers? */
  readonly movesClocks: boolean
  readonly handlerMs: number
  readonly fates: FateShares
  readonly dependsOnDownstream: boolean
  readonly consumer: ConsumerConfig['consumer']
  readonly subscription: ConsumerConfig['subscription']
  /** By worker name, for its first incarnation. */
  readonly dieAt: Readonly<Record<string, string>>
  readonly accidents: Readonly<Record<string, Accident>>
}

/** Six partitions, three members, something of everything that a handler can do. */
export const USUAL: Workload = {
  partitions: 6,
  topicSettings: {},
  deadLetterSettings: {},
  producers: 1,
  consumers: 3,
  ratePerSecond: 120,
  keys: 48,
  padBytes: 100,
  deliveryTimeoutMs: 30_000,
  effects: 'marked',
  dedupe: { kind: 'none' },
  movesClocks: false,
  handlerMs: 5,
  fates: { slow: 10, flaky: 30, 'late-failure': 20, poison: 10, park: 10 },
  dependsOnDownstream: false,
  consumer: {
    concurrency: 16,
    sessionTimeoutMs: 6_000,
    heartbeatIntervalMs: 500,
    rebalanceTimeoutMs: 20_000,
    drainTimeoutMs: 5_000,
    commitIntervalMs: 100,
  },
  subscription: {
    ordering: 'key',
    handlerTimeoutMs: 15_000,
    retry: { maxAttempts: 3, initialDelayMs: 50, factor: 2, maxDelayMs: 1_000, jitter: 0.2 },
  },
  dieAt: {},
  accidents: {},
}
