import type { AnyScenario } from '../machine/index.ts'
import { belowMinIsr, brokerCrash, coordinatorMove, leaderMove, rollingRestart, slowBroker } from './brokers.ts'
import { consumerCrash } from './crash.ts'
import { blockedEventLoop, downstreamOut, poison, slowHandlers } from './handlers.ts'
import { lostAnswers, lostTransactionAnswers } from './lost-answers.ts'
import { diskFull } from './disk.ts'
import { blackHole, connectionResets, oneWayPartition, slowNetwork } from './network.ts'
import { rebalanceStorm } from './rebalances.ts'
import {
  deadlocks,
  lockTimeouts,
  postgresExhausted,
  postgresRestart,
  postgresStoreRestart,
  postgresTerminated,
  serializationFailures,
} from './stores-postgres.ts'
import { redisEvicts, redisFailover, redisForgets, redisRestart, redisStandsStill } from './stores-redis.ts'
import { outboxBrokerAway, outboxLongTransaction, outboxPostgresRestart } from './outbox.ts'
import { relayStorm } from './relay-storm.ts'
import {
  relayKillBeforeMark,
  relayLostAnswers,
  relayPausedPastLease,
  relayPausedTransactional,
  relayRolling,
} from './relays.ts'
import { gracefulStop } from './stops.ts'
import {
  corruptBytes,
  deadLettersTooLarge,
  deadLettersUnwritable,
  duplicateDeliveries,
  groupDeleted,
  messagesTooLarge,
  offsetOutOfRange,
  partitionsGrow,
  topicRecreated,
} from './topics.ts'
import { fencedProducer, gapsInTheLog, hangingTransaction } from './transactions.ts'
import { wallClock } from './wall-clock.ts'
import { zombie } from './zombie.ts'

/** Every fault of the plan that the machine knows, in the plan's order. */
export const SCENARIOS: readonly AnyScenario[] = [
  consumerCrash,
  zombie,
  blockedEventLoop,
  slowHandlers,
  gracefulStop,
  relayRolling,
  brokerCrash,
  belowMinIsr,
  leaderMove,
  coordinatorMove,
  rollingRestart,
  connectionResets,
  blackHole,
  oneWayPartition,
  slowNetwork,
  slowBroker,
  lostAnswers,
  lostTransactionAnswers,
  relayLostAnswers,
  diskFull,
  rebalanceStorm,
  partitionsGrow,
  topicRecreated,
  deadLettersUnwritable,
  deadLettersTooLarge,
  messagesTooLarge,
  poison,
  corruptBytes,
  offsetOutOfRange,
  groupDeleted,
  gapsInTheLog,
  hangingTransaction,
  fencedProducer,
  redisRestart,
  redisForgets,
  redisStandsStill,
  redisFailover,
  redisEvicts,
  postgresRestart,
  postgresTerminated,
  postgresExhausted,
  postgresStoreRestart,
  outboxPostgresRestart,
  deadlocks,
  serializationFailures,
  lockTimeouts,
  outboxLongTransaction,
  relayKillBeforeMark,
  relayPausedPastLease,
  relayPausedTransactional,
  relayStorm(1),
  outboxBrokerAway,
  wallClock,
  duplicateDeliveries,
  downstreamOut,
]

/** The most telling ones. */
export const SMOKE: readonly string[] = [
  'consumer-crash',
  'zombie',
  'broker-crash',
  'connection-resets',
  'lost-answers',
  'rebalance-storm',
  'postgres-restart',
  'relay-kill-before-mark',
]

/** An outbox and its relays, for as long as is wanted. */
export { relayStorm } from './relay-storm.ts'
