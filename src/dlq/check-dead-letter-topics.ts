import type { DriverAdmin } from '../driver/index.ts'
import type { Problem } from '../errors/index.ts'
import { HoldfastError } from '../errors/index.ts'
import { deadLetterTopicName } from '../topic/index.ts'

/** Which dead letter topic takes the records of a topic. */
export interface DeadLetterRoute {
  readonly topic: string
  readonly deadLetterTopic: string
}

/**
 * Routes on which a failure would go round in circles: a dead letter topic that is itself handled, and a dead letter topic of a dead
 * letter topic that nobody asked for. Pure; for the check of options, before any connection.
 */
export function loopingRoutes(
  routes: readonly DeadLetterRoute[],
  handledTopics: readonly string[],
): readonly Problem[] {
  return routes.flatMap(({ topic, deadLetterTopic }) => {
    const path = `${topic}.deadLetter`
    if (handledTopics.includes(deadLetterTopic)) {
      return [
        {
          path,
          message: `${deadLetterTopic} is handled by this consumer too: a failure there would be parked where it came from`,
        },
      ]
    }
    if (topic.endsWith(SUFFIX) && deadLetterTopic === deadLetterTopicName(topic)) {
      return [
        {
          path,
          message: `${topic} is a dead letter topic: read it with deadLetters(…), set deadLetter to false, or name another topic`,
        },
      ]
    }
    return []
  })
}

/**
 * Asks the cluster, at start, whether every dead letter topic is there and has room for every partition of its source. Found
 * later, this would stop a partition in the middle of the night.
 *
 * @throws HOLDFAST_DEAD_LETTER_TOPIC_UNFIT, listing every problem and what to do; HOLDFAST_UNAVAILABLE, HOLDFAST_NOT_AUTHORIZED.
 */
export async function checkDeadLetterTopics(admin: DriverAdmin, routes: readonly DeadLetterRoute[]): Promise<void> {
  if (routes.length === 0) return
  const counts = await admin.partitionCounts([
    ...new Set(routes.flatMap((route) => [route.topic, route.deadLetterTopic])),
  ])
  const problems = routes.flatMap((route) => unfit(route, counts))
  if (problems.length === 0) return
  throw new HoldfastError('HOLDFAST_DEAD_LETTER_TOPIC_UNFIT', 'dead letter topics are missing or unfit', { problems })
}

function unfit({ topic, deadLetterTopic }: DeadLetterRoute, counts: ReadonlyMap<string, number>): Problem[] {
  const needed = counts.get(topic)
  const found = counts.get(deadLetterTopic)
  if (needed === undefined) return [] // the source is missing: reported as such
  if (found === undefined) {
    const message = `does not exist: create it with ${needed} partitions or more and cleanup.policy=delete, or set deadLetter to false`
    return [{ path: deadLetterTopic, message }]
  }
  if (found >= needed) return []
  const message = `has ${found} partitions, ${topic} has ${needed}: add partitions, so that dead letters keep their partition's number`
  return [{ path: deadLetterTopic, message }]
}

const SUFFIX = '.dlq'
