import type { Scenario } from '../machine/index.ts'

/** A process that stands still and wakes up believing that it owns what another one has by now. */
export const zombie: Scenario = {
  number: 2,
  name: 'zombie',
  about:
    'A member stands still for longer than its session, and goes on in the middle of its work; its late commits are refused.',
  seconds: 35,
  workload: { handlerMs: 30, ratePerSecond: 200 },
  expectations: { requiredCounters: ['redelivered', 'rebalanceWithWorkInFlight'] },
  async inject(world) {
    const victim = world.worker('consumer-1')
    await world.nemesis.during(
      'stand still',
      victim.proc,
      () => {
        victim.child.signal('SIGSTOP')
        return () => victim.child.signal('SIGCONT')
      },
      async () => {
        await world.until('that others own all', () => !Array.from(world.live.owners.values()).includes(victim.proc))
        await world.pause(3_000)
      },
    )
    await world.until('that it has partitions again', () =>
      Array.from(world.live.owners.values()).includes(victim.proc),
    )
  },
}
