import type { Scenario } from '../machine/index.ts'

/** Members die where it hurts most: after the effect, before the commit, after the dead letter. */
export const consumerCrash: Scenario = {
  number: 1,
  name: 'consumer-crash',
  about:
    'Members are killed in the handler, after the effect, before a commit and after a dead letter, and once at random.',
  seconds: 35,
  workload: {
    consumers: 4,
    fates: { slow: 20, flaky: 20, poison: 40 },
    dieAt: {
      'consumer-1': 'process:handled#150',
      'consumer-2': 'commit:before#30',
      'consumer-3': 'park:acknowledged#4',
      'consumer-4': 'process:begun#170',
    },
  },
  expectations: {
    allowedExits: [0, 'SIGKILL'],
    requiredCounters: ['rebalanceWithWorkInFlight', 'redelivered', 'parkAfterCrash'],
  },
  async inject(world) {
    await world.until('four deaths at failpoints', () => world.live.count('stop') >= 4)
    await world.until('that all are back', () => new Set(world.live.owners.values()).size >= 4)
    const { consumers } = world.fleet
    const victim = consumers[Math.floor(world.random() * consumers.length)]!
    await world.nemesis.once('kill', victim.proc, () => world.fleet.kill(victim))
    await world.until('that another owns all again', () => world.live.owners.size === world.workload.partitions)
    await world.pause(2_000)
  },
}
