import type { Runtime } from '../../clock/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import type { Logger } from '../../logger/index.ts'
import type { Position } from '../../record/index.ts'
import type { ConsumerCallbacks } from '../driver-consumer.ts'
import type { Committed, GroupCoordinator, MemberIdentity } from './consumer-coordinator.ts'
import type { Epoch, KafkajsAssignment } from './consumer-epoch.ts'
import { createEpoch, partitionsOf } from './consumer-epoch.ts'

/** How the rebalancing of one kafkajs consumer is made. */
export interface RebalancingOptions {
  readonly runtime: Runtime
  readonly logger: Logger
  readonly groupId: string
  /** How long partitions are held for the core to drain; after it the group would throw the member out. */
  readonly drainBudgetMs: number
  readonly callbacks: Pick<ConsumerCallbacks, 'onAssigned' | 'onRevoked' | 'onLost'>
  readonly coordinator: GroupCoordinator
  readonly nextEpoch: () => number
  /** Delivers from the given positions on, or stops delivering. */
  readonly delivery: {
    prepare(epoch: Epoch): void
    begin(epoch: Epoch, starts: readonly Position[]): void
    halt(epoch: Epoch): void
  }
  /** A callback threw, or the group refused what cannot be done without. */
  readonly onFailure: (error: unknown) => void
}

/** The comings and goings of partitions of one kafkajs consumer. */
export interface Rebalancing {
  /** The epoch whose commits count and whose heartbeats are sent; null between two assignments. */
  current(): Epoch | null
  /** See `WireHooks`: drains before the partitions go. */
  beforeJoin(memberId: string): Promise<void> | undefined
  beforeLeave(): Promise<void> | undefined
  onSync(memberId: string, generation: number): void
  /** kafkajs has its assignment. */
  joined(assignment: KafkajsAssignment): void
  /** This membership is over: the group has told so, or it ends over a failure. */
  lose(epoch: Epoch): void
  /** Ends the current epoch without a word: the core knows, or hears of a crash. */
  end(): void
}

/**
 * Makes epochs of what kafkajs and its wire report. Callbacks come one after the other, each to its end, so that the work of an
 * old epoch never runs beside that of the next: an assignment waits for the drain before it, a drain for the assignment.
 */
export function createRebalancing(options: RebalancingOptions): Rebalancing {
  const { runtime, logger, groupId, drainBudgetMs, callbacks, coordinator, nextEpoch, delivery, onFailure } = options
  const { clock } = runtime
  let current: Epoch | null = null
  let identity: MemberIdentity = { memberId: '', generation: -1 }
  let hold: Promise<void> | undefined
  let turn: Promise<void> = Promise.resolve()

  const inTurn = (task: () => Promise<void>): Promise<void> => (turn = turn.then(task).catch(onFailure))

  const finish = (epoch: Epoch): void => {
    epoch.phase = 'ended'
    if (current === epoch) current = null
    epoch.over.abort(new HoldfastError('HOLDFAST_EPOCH_LOST', `epoch ${epoch.number} of group ${groupId} is over`))
  }

  const readCommitted = async (epoch: Epoch): Promise<ReadonlyMap<string, Committed>> => {
    for (let failures = 0; ; failures++) {
      try {
        return await coordinator.committed(partitionsOf(epoch))
      } catch (error) {
        if (HoldfastError.is(error, 'HOLDFAST_NOT_AUTHORIZED') || epoch.phase !== 'assigning') throw error
        logger.warn({ groupId, epoch: epoch.number, failures }, 'the committed offsets cannot be read yet')
        const delayMs = Math.min(MAX_DELAY_MS, MIN_DELAY_MS * 2 ** failures) * (0.5 + runtime.random() / 2)
        await clock.sleep(delayMs, epoch.over.signal)
      }
    }
  }

  const assign = async (epoch: Epoch): Promise<void> => {
    if (epoch.phase !== 'assigning') return
    let committed: ReadonlyMap<string, Committed>
    try {
      committed = await readCommitted(epoch)
    } catch (error) {
      if (epoch.phase === 'assigning') throw error
      return // the partitions went while their offsets were asked for; the core never heard of them
    }
    await runtime.failpoint('kafkajs-consumer:committed-read')
    if (epoch.phase !== 'assigning') return
    epoch.announced = true
    const assigned = [...epoch.partitions.values()].map(({ topic, partition, key }) => {
      return { topic, partition, epoch: epoch.number, committed: committed.get(key) ?? null }
    })
    const starts = await callbacks.onAssigned(assigned).catch((error: unknown) => {
      epoch.announced = false // what the core has refused it need not hear the end of
      throw error
    })
    await runtime.failpoint('kafkajs-consumer:assigned')
    if (epoch.phase !== 'assigning') return
    epoch.phase = 'reading'
    delivery.begin(epoch, starts)
  }

  /** Lets the core drain and commit while the partitions are still ours, within the budget. */
  const revoke = async (epoch: Epoch): Promise<void> => {
    epoch.phase = 'revoking'
    delivery.halt(epoch)
    let told = false
    const drained = inTurn(async () => {
      if (!epoch.announced || epoch.partitions.size === 0 || epoch.phase !== 'revoking') return
      told = true
      await callbacks.onRevoked(partitionsOf(epoch), epoch.number)
    })
    await new Promise<void>((resolve) => {
      const timer = clock.after(drainBudgetMs, () => {
        logger.warn({ groupId, epoch: epoch.number, drainBudgetMs }, 'the partitions go before their work has drained')
        if (!told) lose(epoch) // the core is still busy with its assignment, and would take the partitions for its own
        resolve()
      })
      const settle = (): void => {
        timer.cancel()
        resolve()
      }
      void drained.then(settle)
      epoch.over.signal.addEventListener('abort', settle, { once: true })
    })
    try {
      await runtime.failpoint('kafkajs-consumer:revoked')
    } finally {
      finish(epoch) // before the request goes out: what is committed after it may meet another owner
    }
  }

  const holdFor = (epoch: Epoch): Promise<void> => {
    // Every fetcher of kafkajs asks to join by itself: one drain answers for all of them.
    hold ??= revoke(epoch).finally(() => (hold = undefined))
    return hold
  }

  const lose = (epoch: Epoch): void => {
    if (epoch.phase === 'ended') return
    finish(epoch)
    delivery.halt(epoch)
    logger.warn({ groupId, epoch: epoch.number }, 'the partitions are lost; nothing of them is committed any more')
    if (!epoch.announced || epoch.partitions.size === 0) return
    try {
      callbacks.onLost(partitionsOf(epoch), epoch.number)
    } catch (error) {
      onFailure(error)
    }
  }

  return {
    current: () => current,
    beforeJoin(memberId) {
      if (current !== null && memberId !== current.memberId) lose(current)
      return current === null ? undefined : holdFor(current)
    },
    beforeLeave: () => (current === null ? undefined : holdFor(current)),
    onSync: (memberId, generation) => void (identity = { memberId, generation }),
    joined(assignment) {
      if (current !== null) lose(current) // a second join overtook the first: what the first gave counts no more
      const epoch = createEpoch(nextEpoch(), identity, assignment)
      current = epoch
      delivery.prepare(epoch)
      logger.info(
        { groupId, epoch: epoch.number, partitions: epoch.partitions.size },
        'the group has assigned partitions',
      )
      void inTurn(() => assign(epoch))
    },
    lose,
    end() {
      if (current === null) return
      const epoch = current
      finish(epoch)
      delivery.halt(epoch)
    },
  }
}

const MIN_DELAY_MS = 100
const MAX_DELAY_MS = 2_000
