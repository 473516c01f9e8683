import kafkajs from 'kafkajs'

/** Counts what is on a topic. */
export interface TopicRecords {
  /** By offsets: those of transactions have records of their own. */
  byOffsets(): Promise<number>
  /** By reading them, committed ones alone. */
  byReading(): Promise<number>
}

const QUIET_MS = 60_000

/** Looks at a topic of this cluster. */
export function topicRecords(brokers: readonly string[], topic: string): TopicRecords {
  const kafka = new kafkajs.Kafka({
    clientId: 'bench-count',
    brokers: [...brokers],
    logLevel: kafkajs.logLevel.NOTHING,
  })
  const ends = async (): Promise<readonly { partition: number; low: bigint; high: bigint }[]> => {
    const admin = kafka.admin()
    await admin.connect()
    try {
      const offsets = await admin.fetchTopicOffsets(topic)
      return offsets.map(({ partition, low, high }) => ({ partition, low: BigInt(low), high: BigInt(high) }))
    } finally {
      await admin.disconnect()
    }
  }
  return {
    byOffsets: async () => (await ends()).reduce((sum, { low, high }) => sum + Number(high - low), 0),
    async byReading() {
      const left = new Map((await ends()).filter(({ low, high }) => low < high).map((end) => [end.partition, end.high]))
      if (left.size === 0) return 0
      const consumer = kafka.consumer({ groupId: `count-${topic}`, readUncommitted: false })
      await consumer.connect()
      await consumer.subscribe({ topic, fromBeginning: true })
      let count = 0
      let timer: NodeJS.Timeout | undefined
      try {
        await new Promise<void>((resolve, reject) => {
          const quiet = (): void => reject(new Error(`records of ${topic} cannot be counted: its end does not come`))
          timer = setTimeout(quiet, QUIET_MS)
          // The last record of a transaction is a control record: a batch that ends before it, and one that is empty, both end there.
          const eachBatch = async ({ batch }: kafkajs.EachBatchPayload): Promise<void> => {
            timer?.refresh()
            count += batch.messages.length
            const high = left.get(batch.partition)
            if (high !== undefined && BigInt(batch.lastOffset()) + 1n >= high) left.delete(batch.partition)
            if (left.size === 0) resolve()
          }
          consumer.run({ eachBatch, eachBatchAutoResolve: true }).catch(reject)
        })
      } finally {
        clearTimeout(timer)
        await consumer.disconnect()
      }
      return count
    },
  }
}
