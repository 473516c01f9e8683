import type { Bench } from '../bench.ts'
import { relayBacklogs, relayBesideNaive, relayBesidePeer, relayTransactions, relayWorkers } from './relaying.ts'

/** What the outbox costs and carries, beside what one would use instead. */
export const outbox: readonly Bench[] = [
  relayBesideNaive,
  relayBesidePeer,
  relayTransactions,
  ...relayWorkers,
  ...relayBacklogs,
]
