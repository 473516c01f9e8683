import type { Bench } from '../bench.ts'
import { enqueuing } from './enqueuing.ts'
import { relayBesideLong, relayBesideParked } from './hindered.ts'
import { relayBacklogs, relayBesideNaive, relayBesidePeer, relayTransactions, relayWorkers } from './relaying.ts'
import { idleCost, wakeUps } from './waking.ts'

/** What the outbox costs and carries, beside what one would use instead. */
export const outbox: readonly Bench[] = [
  relayBesideNaive,
  relayBesidePeer,
  relayTransactions,
  ...relayWorkers,
  ...relayBacklogs,
  ...relayBesideLong,
  ...relayBesideParked,
  ...enqueuing,
  ...wakeUps,
  idleCost,
]
