import { HoldfastError } from '../../errors/index.ts'
import { formatPartition } from '../../record/index.ts'
import type { DriverConsumer, DriverConsumerOptions } from '../driver-consumer.ts'
import type { ConsumerSession } from './consumer-session.ts'
import { createConsumerSession } from './consumer-session.ts'
import type { KafkajsContext } from './kafkajs-context.ts'

/**
 * Makes a consumer on kafkajs: one {@link ConsumerSession} after another, since a crash ends one and `start` makes the next.
 * What the core has paused stays paused through all of them.
 *
 * kafkajs has no moment before partitions go (`capabilities.revoke` would be `after`); the wire makes one by holding the
 * requests with which a member gives its partitions up, so that it is `before`.
 */
export function createKafkajsConsumer(context: KafkajsContext, options: DriverConsumerOptions): DriverConsumer {
  const { groupId } = options
  const paused = new Set<string>()
  let session: ConsumerSession | null = null
  let stopped = false
  let epochs = 0

  return {
    async start(topics, callbacks) {
      if (stopped) throw new HoldfastError('HOLDFAST_CLOSED', `the consumer of group ${groupId} is stopped`)
      if (session !== null && !session.ended()) {
        throw new HoldfastError('HOLDFAST_REFUSED', `the consumer of group ${groupId} is started already`)
      }
      refuseInherited(topics)
      session = createConsumerSession({ context, options, topics, callbacks, paused, nextEpoch: () => ++epochs })
      await session.start()
    },
    async commit(offsets) {
      if (offsets.length === 0) return
      if (session === null)
        throw new HoldfastError('HOLDFAST_EPOCH_LOST', `group ${groupId} has assigned nothing yet: not committed`)
      await session.commit(offsets)
    },
    pause(partitions) {
      for (const partition of partitions) paused.add(formatPartition(partition))
      session?.pauseChanged(partitions)
    },
    resume(partitions) {
      for (const partition of partitions) paused.delete(formatPartition(partition))
      session?.pauseChanged(partitions)
    },
    seek: (position) => session?.seek(position),
    lastHeartbeatAt: () => session?.lastHeartbeatAt() ?? null,
    async stop() {
      stopped = true
      await session?.stop()
    },
  }
}

/** kafkajs keeps what it knows of topics in plain objects, and takes what every object has for its own: it would crash again and again. */
function refuseInherited(topics: readonly string[]): void {
  const inherited = topics.filter((topic) => topic in {})
  if (inherited.length === 0) return
  const message = `kafkajs cannot read topics that are named like what every object has: ${inherited.join(', ')}`
  throw new HoldfastError('HOLDFAST_UNSUPPORTED', message)
}
