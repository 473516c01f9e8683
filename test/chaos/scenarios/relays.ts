import { API_KEYS } from '../../../scripts/services/index.ts'
import type { RelayScenario, RelayWorld } from '../machine/index.ts'

const ALL_BUCKETS = 64

/** A relay dies with rows that Kafka has and the database does not know of. */
export const relayKillBeforeMark: RelayScenario = {
  kind: 'relay',
  number: 35,
  name: 'relay-kill-before-mark',
  about:
    'Relays are killed between acknowledgement and mark: their buckets move, and what they had sent comes again with the same id, in the same order.',
  seconds: 25,
  workload: { dieAt: { 'relay-1': 'relay:before-mark#40', 'relay-2': 'relay:after-produce#150' } },
  expectations: {
    allowedExits: [0, 'SIGKILL'],
    requiredCounters: ['killedUnmarked', 'doubledByRelayKill', 'bucketsMoved'],
  },
  async inject(world) {
    await world.until('two deaths at failpoints', () => world.live.count('stop') >= 2)
    await world.until('that all buckets have workers again', () => world.areShared('relay-1', 'relay-2'))
    await goesOn(world)
  },
}

function paused(name: string, about: string, rest: Pick<RelayScenario, 'expectations' | 'workload'>): RelayScenario {
  return {
    kind: 'relay',
    number: 35,
    name,
    about,
    seconds: 45,
    workload: { standAt: { 'relay-1': 'relay:before-produce#40' }, ...rest.workload },
    ...(rest.expectations === undefined ? {} : { expectations: rest.expectations }),
    async inject(world) {
      const [first, second] = [world.worker('relay-1'), world.worker('relay-2')]
      const untilAllAre = (proc: string): Promise<void> =>
        world.until('that the other one has all buckets', () => world.bucketsOf(proc) === ALL_BUCKETS)
      // By itself, between its look at the lease and its socket: the worst place there is.
      await world.whileItStands(first, async () => {
        await untilAllAre(second.proc)
        await world.untilTurnedOver() // what it has in hand was sent by the other one,
        await goesOn(world, NEWER) // and newer messages of its keys, too
        await world.untilTurnedOver()
      })
      await world.until('that both have buckets', () => world.areShared('relay-1', 'relay-2'))
      // And wherever it may be.
      await world.whileStopped(second, async () => {
        await untilAllAre(first.proc)
        await goesOn(world)
      })
      await world.until('that both have buckets', () => world.areShared('relay-1', 'relay-2'))
      await goesOn(world)
    },
  }
}

/** A relay wakes up believing that it has what another one has by now. */
export const relayPausedPastLease: RelayScenario = paused(
  'relay-paused-past-lease',
  'One of two relays stands still past its lease, once just before its socket: it may still write old copies behind newer records, and nothing else.',
  { expectations: { requiredCounters: ['bucketsLost', 'staleCopies'] } },
)

/** The same with a transactional id for each bucket. */
export const relayPausedTransactional: RelayScenario = paused(
  'relay-paused-transactional',
  'The same with a transactional id for each bucket: what it had in hand is fenced, and no old copy stands behind a newer record.',
  {
    // Each id has a connection of its own to set up, and each batch a transaction.
    workload: {
      transactional: true,
      keys: 12,
      ratePerSecond: 30,
      relay: { leaseMs: 8_000, deliveryTimeoutMs: 3_000, idleIntervalMs: 100 },
    },
    expectations: { outbox: { staleCopies: 'none' }, requiredCounters: ['bucketsLost', 'fencedSends'] },
  },
)

/** The broker has written it, and nobody hears. */
export const relayLostAnswers: RelayScenario = {
  kind: 'relay',
  number: 16,
  name: 'relay-lost-answers',
  about:
    'Answers to the produce requests of relays are dropped, with the connection reset or left open: what comes twice has the same id.',
  seconds: 40,
  async inject(world) {
    for (const connection of ['reset', 'open'] as const) {
      const armed = world.cluster.nodes.map(
        ({ proxy }) =>
          () =>
            proxy.swallowResponses(API_KEYS.produce, 3, { connection }),
      )
      await world.nemesis.during(
        'answers lost',
        `produce, connection ${connection}`,
        () => {
          const faults = armed.map((arm) => arm())
          return () => {
            const lost = faults.reduce((sum, { remaining }) => sum + 3 - remaining, 0)
            faults.forEach((fault) => fault.disarm())
            if (lost === 0) throw new Error(`proves nothing: no answer was lost, connection ${connection}`)
          }
        },
        () => world.pause(4_000),
      )
      await goesOn(world)
    }
  },
}

/** Deploys: workers join and leave in order. */
export const relayRolling: RelayScenario = {
  kind: 'relay',
  number: 5,
  name: 'relay-rolling',
  about: 'Relays join, and others leave in order, while rows come: shares move, and no row is sent twice.',
  seconds: 50,
  // Long leases: none runs out because the machine is busy, and then nothing may come twice.
  workload: { relays: 3, relay: { leaseMs: 10_000, deliveryTimeoutMs: 3_000, idleIntervalMs: 100 } },
  expectations: { outbox: { doubles: 'none', staleCopies: 'none' }, requiredCounters: ['bucketsMoved'] },
  async inject(world) {
    for (let n = 1; n <= 3; n++) {
      await world.nemesis.once('a relay joins', `relay-${n + 3}`, async () => {
        await world.startRelay(`relay-${n + 3}`)
        await world.until('that it has its share', () => world.areShared(`relay-${n + 3}`))
      })
      await world.nemesis.once('a relay leaves', `relay-${n}`, async () => {
        const { exitCode, tookMs } = await world.fleet.stop(world.worker(`relay-${n}`))
        if (exitCode !== 0) throw new Error(`relay-${n} ended with ${exitCode} at SIGTERM`)
        if (tookMs > STOPS_WITHIN_MS) throw new Error(`relay-${n} took ${Math.round(tookMs)} ms to stop`)
        await world.until('that the others have all', () => world.areShared())
      })
    }
    await goesOn(world)
  },
}

/** More than there are keys, by far. */
const NEWER = 300

/** What is under way ends, is marked, and the sockets are closed. */
const STOPS_WITHIN_MS = 15_000

/** Messages are sent now that were not before. */
export async function goesOn({ live, until }: RelayWorld, messages = 150): Promise<void> {
  const before = live.relayed.size
  await until('that work goes on', () => live.relayed.size >= before + messages)
}
