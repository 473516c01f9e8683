import type { Runtime } from '../clock/index.ts'
import { describeError, describeForLog, errorTypeOf } from '../errors/index.ts'
import type { Logger } from '../logger/index.ts'
import type { Position, TopicPartition } from '../record/index.ts'
import { formatPartition } from '../record/index.ts'
import { retry } from '../retry/index.ts'
import type { ConsumerOptions } from './consumer-options.ts'
import { OUTAGE } from './partition-pause.ts'
import { within } from './within.ts'

/** The user's hooks of a rebalance, one after the other: that of an assignment never runs beside that of the loss before it. */
export interface RebalanceHooks {
  /** Has the user load what belongs to partitions that came; until the signal aborts. */
  assigned(partitions: readonly Position[], signal: AbortSignal): Preparation
  /** Resolves when the hook has ended, or has used up its time. Never rejects. */
  revoked(partitions: readonly Position[]): Promise<void>
  lost(partitions: readonly TopicPartition[]): void
}

/** The loading of what belongs to partitions that came. */
export interface Preparation {
  /** What is missing yet, for health; null once the hook has succeeded. */
  readonly waitsFor: string | null
  /** Resolves when the hook has succeeded, or the partitions have gone. Never rejects. */
  readonly ended: Promise<void>
}

/** For consumers without the hook. */
export const PREPARED: Preparation = { waitsFor: null, ended: Promise.resolve() }

/** Makes {@link RebalanceHooks}. `budgetMs` is how long the group can wait for `onRevoked`. */
export function createRebalanceHooks(options: {
  readonly hooks: Pick<ConsumerOptions, 'onAssigned' | 'onRevoked' | 'onLost'>
  readonly budgetMs: number
  readonly runtime: Runtime
  readonly logger: Logger
}): RebalanceHooks {
  const { hooks, budgetMs, runtime, logger } = options
  let turn: Promise<void> = Promise.resolve()

  const inTurn = (task: () => Promise<void>): Promise<void> => (turn = turn.then(task))
  const failed = (hook: string, partitions: readonly TopicPartition[], thrown: unknown): void => {
    logger.error({ hook, partitions: partitions.map(formatPartition), error: describeForLog(thrown) }, 'a hook failed')
  }

  return {
    assigned(partitions, signal) {
      const { onAssigned } = hooks
      if (onAssigned === undefined || partitions.length === 0) return PREPARED
      const preparation = { waitsFor: 'onAssigned has not ended' as string | null, ended: Promise.resolve() }
      const prepare = async (): Promise<void> => {
        const result = await retry(async () => onAssigned(partitions, { signal }), {
          policy: OUTAGE,
          signal,
          runtime,
          rule: () => ({ kind: 'wait' }),
          onWait({ thrown }) {
            failed('onAssigned', partitions, thrown)
            preparation.waitsFor = `onAssigned fails (${errorTypeOf(describeError(thrown))}); it is called again`
          },
        })
        if (result.kind === 'succeeded') preparation.waitsFor = null
      }
      const called = inTurn(async () => {
        if (!signal.aborted) await prepare()
      })
      preparation.ended = Promise.race([called, aborted(signal)])
      return preparation
    },
    async revoked(partitions) {
      const { onRevoked } = hooks
      if (onRevoked === undefined || partitions.length === 0) return
      const over = new AbortController()
      const called = inTurn(async () => {
        if (over.signal.aborted) return // a hook before it has used up the time: whoever has the partitions now has new state
        try {
          await onRevoked(partitions, { signal: over.signal })
        } catch (thrown) {
          failed('onRevoked', partitions, thrown)
        }
      })
      if (await within(runtime.clock, budgetMs, called)) return
      logger.error({ hook: 'onRevoked', budgetMs }, 'hooks did not end in time; the partitions go without them')
      over.abort(new Error('the partitions go'))
    },
    lost(partitions) {
      const { onLost } = hooks
      if (onLost === undefined || partitions.length === 0) return
      void inTurn(async () => {
        try {
          await onLost(partitions)
        } catch (thrown) {
          failed('onLost', partitions, thrown)
        }
      })
    },
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
