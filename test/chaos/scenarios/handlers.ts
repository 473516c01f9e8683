import type { Scenario, World } from '../machine/index.ts'

function owns(world: World, proc: string): boolean {
  return Array.from(world.live.owners.values()).includes(proc)
}

/** A handler that computes for longer than the session lasts: no heartbeat is sent, no timer runs. */
export const blockedEventLoop: Scenario = {
  number: 3,
  name: 'blocked-event-loop',
  about: 'A handler blocks the event loop for longer than the session; others take over, and the member comes back.',
  seconds: 40,
  workload: { accidents: { 'consumer-1': { kind: 'block', call: 130, ms: 10_000 } } },
  expectations: { requiredCounters: ['redelivered'] },
  async inject(world) {
    const victim = world.worker('consumer-1')
    await world.nemesis.once('event loop blocked', victim.proc, () =>
      world.until('that the member has lost its partitions', () => world.live.count('lost', victim.proc) > 0),
    )
    await world.until('that it has partitions again', () => owns(world, victim.proc))
  },
}

/** Handlers that outlive their deadline, some once and some always. */
export const slowHandlers: Scenario = {
  number: 4,
  name: 'handler-timeouts',
  about:
    'Handlers outlive their deadline: their signal aborts, they are tried again or parked, and nobody leaves the group.',
  seconds: 35,
  workload: {
    subscription: {
      ordering: 'key',
      handlerTimeoutMs: 1_500,
      retry: { maxAttempts: 2, initialDelayMs: 50, factor: 2, maxDelayMs: 1_000, jitter: 0.2 },
    },
    fates: { hang: 8, slow: 20, flaky: 20 },
    accidents: { 'consumer-1': { kind: 'hang', call: 60, ms: 20_000 } },
  },
  expectations: { requiredCounters: ['retried', 'parked'] },
  async inject(world) {
    const before = world.live.parked
    await world.until('that some are parked', () => world.live.parked >= before + 5)
  },
  async verify(world) {
    const lost = world.live.count('lost')
    return lost === 0 ? [] : [`${lost} partitions were lost, although heartbeats go on while a handler runs`]
  },
}

/** Messages that never succeed, in several ways. */
export const poison: Scenario = {
  number: 24,
  name: 'poison',
  about:
    'Handlers throw for ever, hang for ever, fail after their effect, or ask to park; each is parked after its attempts.',
  seconds: 35,
  workload: {
    subscription: {
      ordering: 'key',
      handlerTimeoutMs: 1_000,
      retry: { maxAttempts: 3, initialDelayMs: 50, factor: 2, maxDelayMs: 1_000, jitter: 0.2 },
    },
    fates: { poison: 80, hang: 3, 'late-failure': 50, park: 40, flaky: 50 },
  },
  expectations: { requiredCounters: ['retried', 'parked', 'dedupeHit'] },
  async inject(world) {
    const before = world.live.parked
    await world.until('that many are parked', () => world.live.parked >= before + 60)
  },
}

/** Everything fails because something behind the handler is out. */
export const downstreamOut: Scenario = {
  number: 40,
  name: 'downstream-out',
  about:
    'What every handler needs is out for fifteen seconds: partitions wait, nothing is parked, and the work goes on after.',
  seconds: 45,
  workload: { dependsOnDownstream: true, fates: {} },
  async inject(world) {
    const { database } = world.cluster
    await world.nemesis.during(
      'downstream out',
      'all handlers',
      async () => {
        await database.query('insert into outages (grp) values ($1)', [world.group])
        return async () => void (await database.query('delete from outages where grp = $1', [world.group]))
      },
      () => world.pause(15_000),
    )
  },
  async verify(world) {
    return world.live.parked === 0
      ? []
      : [`${world.live.parked} messages were parked in an outage that was nobody's fault`]
  },
}
