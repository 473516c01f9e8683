import type { Broker, Cluster } from 'kafkajs'
import { eachBroker } from './each-broker.ts'
import { readFailure } from './kafkajs-errors.ts'

/** The part of kafkajs' cluster that looks up the topics of a client, and finds the brokers to fetch from. */
export type TopicLookup = Pick<Cluster, 'refreshMetadata' | 'refreshMetadataIfNecessary' | 'findBroker'>

/**
 * Calls when the cluster says that a topic of this consumer does not exist, in a look-up or in the answer to a fetch. kafkajs asks
 * again and again, and as soon as a topic of that name is made it reads on at the offset where it stood in the old one: whatever the
 * new topic holds below that is never handled. (Java's client knows topics by their ids, which kafkajs' protocol versions do not
 * carry.)
 *
 * Not called for a topic that merely moves: a broker that gives a partition away says so of the partition. Nor before the first
 * fetch that worked: a broker may be the last to hear of a topic that was just made.
 */
export function watchTopics(cluster: TopicLookup, onGone: (error: unknown) => void): void {
  const judge = (error: unknown): void => {
    if (readFailure(error).type === 'UNKNOWN_TOPIC_OR_PARTITION') onGone(error)
  }
  for (const name of ['refreshMetadata', 'refreshMetadataIfNecessary'] as const) {
    const lookUp = cluster[name].bind(cluster)
    cluster[name] = async () => {
      try {
        await lookUp()
      } catch (error) {
        judge(error)
        throw error
      }
    }
  }
  eachBroker(cluster, (broker) => watchFetches(broker, judge))
}

function watchFetches(broker: Broker, onFailure: (error: unknown) => void): void {
  const fetch = broker.fetch.bind(broker)
  let worked = false
  broker.fetch = async (request) => {
    try {
      const answer = await fetch(request)
      worked = true
      return answer
    } catch (error) {
      if (worked) onFailure(error)
      throw error
    }
  }
}
