import type { Admin } from 'kafkajs'
import type { DriverSurroundings } from '../driver.ts'
import { HoldfastError } from '../../errors/index.ts'
import type { Deadline } from './deadline.ts'
import { deadlineIn, LATE } from './deadline.ts'
import type { KafkajsContext } from './kafkajs-context.ts'
import { toHoldfastError } from './kafkajs-errors.ts'
import { bridgeLogs } from './kafkajs-logs.ts'

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

/** How long a question may take: `request.timeout.ms` of Kafka's own clients. */
const ASK_TIMEOUT_MS = 30_000

/** Makes the memory; connects at the first question. */
export function createPartitionCounts(context: KafkajsContext, { runtime, logger }: DriverSurroundings): PartitionCounts {
  const { clock } = runtime
  const known = new Map<string, { readonly count: Promise<number>; readonly untilMs: number }>()
  let admin: Admin | undefined
  let connecting: Promise<void> | undefined

  async function fetchCount(topic: string): Promise<number> {
    admin ??= context
      .newKafka({ logCreator: bridgeLogs(logger, context.config) })
      .admin({ retry: { retries: 3, initialRetryTime: 50, maxRetryTime: 500 } })
    connecting ??= admin.connect().catch((error: unknown) => {
      connecting = undefined
      throw error
    })
    await connecting
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    const found = topics.find(({ name }) => name === topic)
    if (found === undefined || found.partitions.length === 0) throw unknownTopic(topic)
    return found.partitions.length
  }

  async function ask(topic: string, deadline: Deadline): Promise<number> {
    let failure: HoldfastError | undefined
    for (let waitMs = 50; ; waitMs = Math.min(waitMs * 2, 1_000)) {
      try {
        const count = await deadline.race(fetchCount(topic))
        if (count !== LATE) return count
      } catch (error) {
        failure = toHoldfastError(error, 'admin', topic)
        // A topic name that no broker takes is a topic that is not there.
        if (failure.code === 'HOLDFAST_REFUSED') throw unknownTopic(topic, failure)
        if (failure.code !== 'HOLDFAST_UNAVAILABLE') throw failure
      }
      if (deadline.left() <= waitMs) {
        throw failure ?? new HoldfastError('HOLDFAST_UNAVAILABLE', `nobody answered about ${topic}`, { retriable: true })
      }
      await deadline.pause(waitMs)
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
    async close() {
      await admin?.disconnect().catch(() => {})
    },
  }
}

function unknownTopic(topic: string, cause?: HoldfastError): HoldfastError {
  const message = `the topic ${topic} does not exist, or this client may not see it`
  return new HoldfastError('HOLDFAST_TOPIC_UNKNOWN', message, cause === undefined ? {} : { cause })
}
