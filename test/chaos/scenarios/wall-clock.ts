import type { Scenario, World } from '../machine/index.ts'

const HOUR_MS = 3_600_000
const JITTER_MS = 5_000

async function everywhere(world: World, offsetMs: () => number): Promise<void> {
  for (const worker of [...world.fleet.consumers, ...world.fleet.producers]) world.moveClock(worker, offsetMs())
}

/** Clocks of services are set while they work. */
export const wallClock: Scenario = {
  number: 37,
  name: 'wall-clock',
  about:
    'The wall clocks of members and producer jump an hour back, an hour ahead, and jitter by five seconds, while members die: leases, waits, dedupe and commits go on as before.',
  seconds: 80,
  workload: {
    movesClocks: true,
    dedupe: { kind: 'redis', leaseMs: 4_000 },
    subscription: {
      ordering: 'key',
      handlerTimeoutMs: 3_000,
      retry: { maxAttempts: 3, initialDelayMs: 50, factor: 2, maxDelayMs: 1_000, jitter: 0.2 },
    },
    fates: { slow: 20, flaky: 60, poison: 10 },
    dieAt: { 'consumer-1': 'process:handled#250', 'consumer-2': 'process:completed#300' },
  },
  expectations: {
    // kafkajs hears of a rebalance by heartbeats that it times by the wall clock: after a jump back the group waits for it in vain.
    livenessBoundMs: 90_000,
    allowedExits: [0, 'SIGKILL'],
    requiredCounters: ['retried', 'parked', 'dedupeHit', 'doubledByKill'],
  },
  async inject(world) {
    for (const [what, offsetMs] of [
      ['an hour back', -HOUR_MS],
      ['an hour ahead', HOUR_MS],
    ] as const) {
      await world.nemesis.during(
        'wall clocks moved',
        what,
        async () => {
          await everywhere(world, () => offsetMs)
          return () => everywhere(world, () => 0)
        },
        () => world.pause(8_000), // longer than a session, and than a lease
      )
      await world.pause(1_000)
    }
    await world.nemesis.during(
      'wall clocks moved',
      'five seconds back or ahead, each its own',
      () => () => everywhere(world, () => 0),
      async () => {
        for (let n = 0; n < 25; n++) {
          await everywhere(world, () => Math.round((world.random() * 2 - 1) * JITTER_MS))
          await world.pause(200)
        }
      },
    )
    await world.until('the deaths at failpoints', () => world.live.count('stop') >= 2)
  },
  async verify(world) {
    const moved = world.live.count('wall-clock')
    return moved > 100 ? [] : [`proves nothing: clocks were moved ${moved} times`]
  },
}
