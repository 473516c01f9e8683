import { HoldfastError } from '../../errors/index.ts'
import type { DriverSurroundings } from '../driver.ts'
import { createAdminClient } from './admin-client.ts'
import type { Deadline } from './deadline.ts'
import { deadlineIn } from './deadline.ts'
import type { KafkajsContext } from './kafkajs-context.ts'

/** How many partitions topics have. kafkajs' producer knows but does not tell, so an admin client asks. */
export interface PartitionCounts {
  /**
   * From memory, for at most {@link COUNT_LIFETIME_MS}.
   *
   * @throws HOLDFAST_TOPIC_UNKNOWN, HOLDFAST_NOT_AUTHORIZED, HOLDFAST_UNAVAILABLE
   */
  get(topic: string): Promise<number>
  /** Asks the cluster now, and remembers the answer. Throws as {@link PartitionCounts.get} does. */
  ask(topic: string, deadline: Deadline): Promise<number>
  forget(topic: string): void
  close(): Promise<void>
}

/** Five minutes, like `metadata.max.age.ms` of Kafka's own clients. */
export const COUNT_LIFETIME_MS = 300_000

/** How often, and how far apart, a topic is looked for before it counts as absent. */
const LOOKS = 4
const LOOK_AGAIN_MS = 100

/** How long a question may take: `request.timeout.ms` of Kafka's own clients. */
const ASK_TIMEOUT_MS = 30_000

/** Makes the memory; connects at the first question. */
export function createPartitionCounts(context: KafkajsContext, surroundings: DriverSurroundings): PartitionCounts {
  const { clock } = surroundings.runtime
  const admin = createAdminClient(context, surroundings)
  const known = new Map<string, { readonly count: Promise<number>; readonly untilMs: number }>()

  async function ask(topic: string, deadline: Deadline): Promise<number> {
    for (let look = 1; ; look++) {
      try {
        const { topics } = await admin.ask(topic, deadline, (client) => client.fetchTopicMetadata({ topics: [topic] }))
        const found = topics.find(({ name }) => name === topic)
        if (found !== undefined && found.partitions.length > 0) return found.partitions.length
      } catch (error) {
        // A topic name that no broker takes is a topic that is not there.
        if (!HoldfastError.is(error, 'HOLDFAST_REFUSED') && !HoldfastError.is(error, 'HOLDFAST_TOPIC_UNKNOWN'))
          throw error
      }
      // A broker hears of a new topic a moment after the controller: absence needs more than one look, mostly at other brokers.
      if (look === LOOKS || deadline.left() <= LOOK_AGAIN_MS) {
        const message = `the topic ${topic} does not exist, or this client may not see it`
        throw new HoldfastError('HOLDFAST_TOPIC_UNKNOWN', message)
      }
      await deadline.pause(LOOK_AGAIN_MS)
    }
  }

  function remember(topic: string, deadline: Deadline): Promise<number> {
    const count = ask(topic, deadline)
    const entry = { count, untilMs: clock.monotonic() + COUNT_LIFETIME_MS }
    known.set(topic, entry)
    count.catch(() => known.get(topic) === entry && known.delete(topic)) // a failure is no answer: the next call asks again
    return count
  }

  return {
    get(topic) {
      const entry = known.get(topic)
      if (entry !== undefined && clock.monotonic() < entry.untilMs) return entry.count
      return remember(topic, deadlineIn(clock, ASK_TIMEOUT_MS))
    },
    ask: remember,
    forget: (topic) => void known.delete(topic),
    close: () => admin.close(),
  }
}
