import type { ConsumerCallbacks, DriverConsumer, DriverConsumerOptions } from '../../driver/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import type { TopicPartition } from '../../record/index.ts'
import { formatPartition } from '../../record/index.ts'
import type { Broker } from './broker.ts'
import type { Membership } from './membership.ts'
import { createMembership } from './membership.ts'
import { patiently } from './patiently.ts'
import { refusals } from './refusals.ts'

/** Makes a consumer of the in-memory driver: one membership after another, since a crash ends one and `start` makes the next. */
export function createInMemoryConsumer(
  broker: Broker,
  clientId: string,
  options: DriverConsumerOptions,
): DriverConsumer {
  const paused = new Set<string>() // until resumed, through rebalances and crashes
  let membership: Membership | null = null
  let starting = false
  let stopped = false
  let epochs = 0

  const setPaused = (partitions: readonly TopicPartition[], on: boolean): void => {
    for (const partition of partitions) {
      if (on) paused.add(formatPartition(partition))
      else paused.delete(formatPartition(partition))
      membership?.state(partition)?.pauseChanged()
    }
  }

  return {
    async start(topics: readonly string[], callbacks: ConsumerCallbacks) {
      if (stopped) throw refusals.closed('the consumer is stopped')
      if (starting || (membership !== null && !membership.ended()))
        throw refusals.refused('the consumer is started already')
      starting = true
      try {
        await patiently(options.runtime.clock, () => broker.request(clientId, () => topics.forEach(broker.topic)))
      } finally {
        starting = false
      }
      if (stopped) throw refusals.closed('the consumer was stopped while it started')
      membership = createMembership({ broker, clientId, options, topics, callbacks, paused, nextEpoch: () => ++epochs })
    },

    async commit(offsets) {
      const now = membership
      for (const offset of offsets) {
        const reader = now?.state(offset)
        if (reader?.epoch !== offset.epoch || reader.gone()) throw refusals.epochLost(offset)
      }
      if (now === null || offsets.length === 0) return
      const { memberId, generation } = now.identity() // taken now: a commit that travels across a rebalance must be refused
      const group = broker.group(options.groupId)
      await broker
        .request(clientId, () => {
          const failure = broker.failures.commit.take(options.groupId)
          if (failure === 'refused') throw refusals.refused(`a commit of group ${options.groupId} was refused`)
          if (failure === 'unavailable') throw refusals.unavailable(`a commit of group ${options.groupId}`)
          if (failure !== 'indeterminate-lost') group.commit(memberId, generation, offsets)
          if (failure !== undefined) throw refusals.indeterminate(`a commit of group ${options.groupId}`)
        })
        .catch((error: unknown) => {
          // A cooperative rebalance has overtaken it: the partitions are still its own, under a generation that it has not named.
          const isOvertaken = now.identity().generation > generation && now.identity().memberId === memberId
          const keeps = isOvertaken && offsets.every((offset) => now.state(offset)?.epoch === offset.epoch)
          if (keeps && HoldfastError.is(error, 'HOLDFAST_EPOCH_LOST'))
            throw refusals.unavailable(`group ${options.groupId} has rebalanced`)
          throw error
        })
    },

    pause: (partitions) => setPaused(partitions, true),
    resume: (partitions) => setPaused(partitions, false),
    seek: (position) => membership?.state(position)?.seek(position.offset),
    lastHeartbeatAt: () => membership?.lastHeartbeatAt() ?? null,

    async stop() {
      if (stopped) return
      stopped = true
      await membership?.leave()
    },
  }
}
