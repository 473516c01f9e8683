import { Partitioners } from 'kafkajs'
import type { Scenario } from '../machine/index.ts'
import { VALUE_HEADER } from '../worker/index.ts'

/** What a send of a transaction may end with when the transaction cannot go on: nothing of it is visible then. */
export const TRANSACTION_FAILURES: readonly string[] = [
  'HOLDFAST_UNAVAILABLE',
  'HOLDFAST_TRANSACTION_ABORTED',
  'HOLDFAST_DELIVERY_TIMEOUT',
  'HOLDFAST_FENCED',
]

const TRANSACTIONS = { size: 5, abortShare: 0.3, timeoutMs: 10_000 } as const

/** Logs with holes: markers, rolled back records, and what compaction took. */
export const gapsInTheLog: Scenario = {
  number: 28,
  name: 'gaps-in-the-log',
  about:
    'Markers, rolled back and compacted records leave gaps in the log: commits get over them, and reach the very end.',
  seconds: 60,
  workload: {
    ratePerSecond: 100,
    transactions: TRANSACTIONS,
    topicSettings: { 'cleanup.policy': 'compact', 'segment.ms': '500', 'min.cleanable.dirty.ratio': '0.01' },
  },
  expectations: { allowedProduceFailures: TRANSACTION_FAILURES },
  async prepare(world) {
    const { admin } = world.cluster
    const rounds = 12
    for (let round = 0; round < rounds; round++) {
      const messages = Array.from({ length: 48 }, (_, n) => {
        const value = `raw-${round}-${n}`
        const payload = JSON.stringify({ value, key: `k-${n}`, canary: world.canary })
        return { key: `k-${n}`, value: payload, headers: { [VALUE_HEADER]: value } }
      })
      await world.writeRaw(messages)
      await world.pause(600) // a segment is rolled by the first record after its time, and only rolled ones are compacted
    }
    await world.pause(4_000)
    // From here on what is written stays: what the run acknowledges must be there for the reader at the end.
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: 2, name: world.topic, configEntries: [{ name: 'cleanup.policy', value: 'delete' }] }],
    })
  },
  async inject(world) {
    await world.nemesis.once('rolled back transactions', 'producer-1', () => world.pause(8_000))
  },
}

/** Somebody began a transaction and went away. */
export const hangingTransaction: Scenario = {
  number: 29,
  name: 'hanging-transaction',
  about: 'A stranger leaves a transaction open: readers wait behind it until the broker rolls it back, and then go on.',
  seconds: 45,
  async inject(world) {
    const transactionTimeout = 8_000
    const stranger = world.cluster.kafka.producer({
      createPartitioner: Partitioners.DefaultPartitioner,
      transactionalId: `${world.topic}-stranger`,
      transactionTimeout,
      maxInFlightRequests: 1,
      idempotent: true,
    })
    await stranger.connect()
    await world.nemesis.once('transaction left open', 'partition 0', async () => {
      const transaction = await stranger.transaction()
      const message = { key: 'stranger', value: '{}', partition: 0, headers: { [VALUE_HEADER]: 'never-visible' } }
      await transaction.send({ topic: world.topic, acks: -1, messages: [message] })
      await stranger.disconnect()
      await world.pause(transactionTimeout + 4_000)
    })
  },
}

/** Two instances with one transactional id: a mistake of a deploy. */
export const fencedProducer: Scenario = {
  number: 30,
  name: 'fenced-producer',
  about:
    'Two producers have one transactional id: one of them ends with HOLDFAST_FENCED, the other goes on, and nothing is torn.',
  seconds: 40,
  // kafkajs takes the id over anew with each transaction: only one that is under way when that happens hears of it.
  workload: { ratePerSecond: 40, transactions: { ...TRANSACTIONS, holdMs: 150 } },
  expectations: { allowedExits: [0, 3], allowedProduceFailures: TRANSACTION_FAILURES },
  async inject(world) {
    const first = world.worker('producer-1')
    await world.nemesis.once('transactional id shared', first.proc, async () => {
      const transactions = { ...TRANSACTIONS, holdMs: 150, transactionalId: `${world.topic}-producer-1` }
      const second = await world.startProducer('producer-2', { transactions })
      const end = await Promise.race([first.child.exited, second.child.exited, world.pause(30_000).then(() => null)])
      if (end === null) throw new Error('both producers went on for 30 s with one transactional id')
      if (end.code !== 3) throw new Error(`one of the producers ended with ${end.code}`)
    })
    await world.pause(4_000)
    if (world.fleet.producers.length !== 1) throw new Error('no producer is left: one of them was to go on')
  },
}
