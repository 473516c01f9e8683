import type { Scenario } from '../machine/index.ts'
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
export const SCENARIOS: readonly Scenario[] = [
  consumerCrash,
  zombie,
  blockedEventLoop,
  slowHandlers,
  gracefulStop,
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
  deadlocks,
  serializationFailures,
  lockTimeouts,
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
]
