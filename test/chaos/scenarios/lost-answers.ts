import { API_KEYS } from '../../../scripts/services/index.ts'
import type { Scenario } from '../machine/index.ts'
import { TRANSACTION_FAILURES } from './transactions.ts'

/** The broker has done it, and nobody hears. */
export const lostAnswers: Scenario = {
  number: 16,
  name: 'lost-answers',
  about: 'Answers to produce requests and commits are dropped, with the connection reset or left open.',
  seconds: 50,
  async inject(world) {
    for (const [what, apiKey] of [
      ['produce', API_KEYS.produce],
      ['commit', API_KEYS.offsetCommit],
    ] as const) {
      for (const connection of ['reset', 'open'] as const) {
        await world.nemesis.during(
          'answers lost',
          `${what}, connection ${connection}`,
          () => {
            const faults = world.cluster.nodes.map(({ proxy }) => proxy.swallowResponses(apiKey, 3, { connection }))
            return () => faults.forEach((fault) => fault.disarm())
          },
          () => world.pause(3_000),
        )
      }
    }
  },
}

/** The same for transactions: whether one was committed is not known, and nothing of it may be torn. */
export const lostTransactionAnswers: Scenario = {
  number: 16,
  name: 'lost-transaction-answers',
  about:
    'Answers to the ends of transactions, and to the produce requests in them, are dropped: each is whole or not there at all.',
  seconds: 50,
  workload: { ratePerSecond: 80, transactions: { size: 5, abortShare: 0.2, timeoutMs: 10_000 } },
  expectations: { allowedProduceFailures: TRANSACTION_FAILURES },
  async inject(world) {
    for (const [what, apiKey] of [
      ['end of a transaction', API_KEYS.endTxn],
      ['produce', API_KEYS.produce],
      ['adding of partitions', API_KEYS.addPartitionsToTxn],
    ] as const) {
      await world.nemesis.during(
        'answers lost',
        what,
        () => {
          const faults = world.cluster.nodes.map(({ proxy }) => proxy.swallowResponses(apiKey, 3))
          return () => faults.forEach((fault) => fault.disarm())
        },
        () => world.pause(5_000),
      )
    }
  },
}
