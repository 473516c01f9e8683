import type { Cluster } from 'kafkajs'
import { readFailure } from './kafkajs-errors.ts'

/** The part of kafkajs' cluster that looks up the topics of a client. */
export type TopicLookup = Pick<Cluster, 'refreshMetadata' | 'refreshMetadataIfNecessary'>

/**
 * Calls when the cluster says that a topic of this consumer does not exist. kafkajs asks again and again, and as soon as a topic
 * of that name is made it reads on at the offset where it stood in the old one: whatever the new topic holds below that is never
 * handled. (Java's client knows topics by their ids, which kafkajs' protocol versions do not carry.)
 *
 * Not called for a topic that merely moves: a broker that gives a partition away says so of the partition.
 */
export function watchTopics(cluster: TopicLookup, onGone: (error: unknown) => void): void {
  for (const name of ['refreshMetadata', 'refreshMetadataIfNecessary'] as const) {
    const lookUp = cluster[name].bind(cluster)
    cluster[name] = async () => {
      try {
        await lookUp()
      } catch (error) {
        if (readFailure(error).type === 'UNKNOWN_TOPIC_OR_PARTITION') onGone(error)
        throw error
      }
    }
  }
}
