import { API_KEYS } from '../../../scripts/services/index.ts'
import type { RelayScenario, RelayWorld } from '../machine/index.ts'
import { goesOn } from './relays.ts'

const RELAYS = 4
const PROGRESS_EVERY_MS = 10_000
/** Some always work. */
const MOST_STANDING = 2
const FAILPOINTS = [
  'relay:before-produce',
  'relay:after-produce',
  'relay:before-mark',
  'relay:after-mark',
  'relay:before-lease',
]

/** Everything at once, for so many minutes: what happens follows from the seed. */
export function relayStorm(minutes: number): RelayScenario {
  return {
    kind: 'relay',
    number: 35,
    name: 'relay-storm',
    about: `Four relays are killed, stopped, let go on and replaced every few seconds for ${minutes === 1 ? 'a minute' : `${minutes} minutes`}.`,
    seconds: minutes * 60 + 40,
    workload: {
      relays: RELAYS,
      ratePerSecond: 80,
      keys: 60,
      notify: true,
      shares: { 'rolled-back': 80, 'part-rolled-back': 40, held: 10, many: 80, wide: 1, crossed: 20 },
    },
    expectations: {
      allowedExits: [0, 'SIGKILL', 'SIGTERM'], // one that is replaced before it has begun to listen to signals
      livenessBoundMs: 120_000,
      requiredCounters: ['killedUnmarked', 'doubledByRelayKill', 'bucketsMoved', 'bucketsLost'],
    },
    async inject(world) {
      const until = performance.now() + minutes * 60_000
      const standing = new Map<string, Promise<void>>()
      let tellAt = performance.now() + PROGRESS_EVERY_MS
      while (performance.now() < until) {
        await world.pause(1_500 + world.random() * 2_000)
        await act(world, standing)
        if (performance.now() < tellAt) continue
        tellAt += PROGRESS_EVERY_MS
        await tell(world, until)
      }
      await Promise.all(standing.values())
      await world.until('that all buckets have workers', () => world.areShared())
      await goesOn(world)
    },
  }
}

async function act(world: RelayWorld, standing: Map<string, Promise<void>>): Promise<void> {
  const { fleet, nemesis, random } = world
  const relays = fleet.workers('relay').filter(({ proc }) => !standing.has(proc))
  const victim = relays[Math.floor(random() * relays.length)]
  const [kind, ms, point, passing] = [random(), 500 + random() * 5_500, random(), random()]
  if (victim === undefined) return
  if (kind < 0.35) await nemesis.once('kill', victim.proc, () => fleet.kill(victim))
  else if (kind < 0.65) {
    if (standing.size >= MOST_STANDING) return
    const stands = world.whileStopped(victim, () => world.pause(ms)).finally(() => standing.delete(victim.proc))
    standing.set(victim.proc, stands)
    void stands.catch(() => undefined)
  } else if (kind < 0.85) {
    // It leaves in order, and the next one of its name dies at a failpoint.
    const dieAt = `${FAILPOINTS[Math.floor(point * FAILPOINTS.length)]!}#${1 + Math.floor(passing * 60)}`
    await nemesis.once('replace', `${victim.proc}, to die at ${dieAt}`, async () => {
      await fleet.stop(victim)
      await world.startRelay(victim.name, { dieAt })
    })
  } else if (kind < 0.92) {
    const enqueuers = fleet.workers('enqueuer')
    const enqueuer = enqueuers[Math.floor(point * enqueuers.length)]
    if (enqueuer !== undefined) await nemesis.once('kill', enqueuer.proc, () => fleet.kill(enqueuer))
  } else {
    const { proxy } = world.cluster.nodes[Math.floor(point * world.cluster.nodes.length)]!
    const connection = passing < 0.5 ? 'reset' : 'open'
    await nemesis.during(
      'answers lost',
      `produce, connection ${connection}`,
      () => {
        const fault = proxy.swallowResponses(API_KEYS.produce, 2, { connection })
        return () => fault.disarm()
      },
      () => world.pause(1_000),
    )
  }
}

async function tell({ say, live, outbox }: RelayWorld, until: number): Promise<void> {
  const [committed, waiting] = await Promise.all([outbox.committed(), outbox.waiting()])
  live.look()
  const left = Math.max(0, Math.round((until - performance.now()) / 1_000))
  const moves = live.count('bucket')
  say(
    `${committed} committed, ${live.relayed.size} sent, ${waiting} wait, ${moves} changes of buckets; ${left} s to go`,
  )
}
