import type { Runtime } from '../clock/index.ts'
import { describeError } from '../errors/index.ts'
import type { Logger } from '../logger/index.ts'
import type { Position, TopicPartition } from '../record/index.ts'
import { formatPartition } from '../record/index.ts'
import { retry } from '../retry/index.ts'
import type { ConsumerOptions } from './consumer.ts'
import { OUTAGE } from './partition-pause.ts'
import { within } from './within.ts'

/** The user's hooks of a rebalance, one after the other: that of an assignment never runs beside that of the loss before it. */
export interface RebalanceHooks {
  /** Resolves when the hook has succeeded, or the signal has aborted. Never rejects. */
  assigned(partitions: readonly Position[], signal: AbortSignal, onFailure: (reason: string) => void): Promise<void>
  /** Resolves when the hook has ended, or has used up its time. Never rejects. */
  revoked(partitions: readonly Position[]): Promise<void>
  lost(partitions: readonly TopicPartition[]): void
}

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
    logger.error({ hook, partitions: partitions.map(formatPartition), error: describeError(thrown) }, 'a hook failed')
  }

  return {
    async assigned(partitions, signal, onFailure) {
      const { onAssigned } = hooks
      if (onAssigned === undefined || partitions.length === 0) return
      await inTurn(async () => {
        if (signal.aborted) return
        await retry(async () => onAssigned(partitions, { signal }), {
          policy: OUTAGE,
          signal,
          runtime,
          rule: () => ({ kind: 'wait' }),
          onWait({ thrown }) {
            failed('onAssigned', partitions, thrown)
            const { code, name } = describeError(thrown)
            onFailure(`onAssigned fails (${code ?? name}); it is called again`)
          },
        })
      })
    },
    async revoked(partitions) {
      const { onRevoked } = hooks
      if (onRevoked === undefined || partitions.length === 0) return
      await inTurn(async () => {
        const over = new AbortController()
        const called = (async () => onRevoked(partitions, { signal: over.signal }))()
        try {
          if (await within(runtime.clock, budgetMs, called)) return
          logger.error({ hook: 'onRevoked', budgetMs }, 'a hook did not end in time; the partitions go without it')
          over.abort(new Error('the partitions go'))
          called.catch((thrown: unknown) => failed('onRevoked', partitions, thrown))
        } catch (thrown) {
          failed('onRevoked', partitions, thrown)
        }
      })
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
