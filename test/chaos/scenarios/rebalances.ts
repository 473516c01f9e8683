import type { Scenario } from '../machine/index.ts'

/** Members come and go all the time. */
export const rebalanceStorm: Scenario = {
  number: 18,
  name: 'rebalance-storm',
  about: 'A member joins, leaves in order or is killed every second; the work goes on meanwhile.',
  seconds: 60,
  workload: { consumers: 2, handlerMs: 20 },
  expectations: {
    allowedExits: [0, 'SIGKILL', 'SIGTERM'], // one that is told to stop before it listens dies of it
    requiredCounters: ['rebalanceWithWorkInFlight'],
    livenessBoundMs: 90_000,
  },
  async inject(world) {
    const { fleet } = world
    await world.nemesis.during(
      'join and leave',
      'the group',
      () => () => undefined,
      async () => {
        for (let n = 0; n < 20; n++) {
          const guests = fleet.consumers.filter(({ name }) => name.startsWith('guest'))
          const guest = guests[0]
          if (guest === undefined || world.random() < 0.5) await world.startConsumer(`guest-${n}`)
          else if (world.random() < 0.3) await fleet.kill(guest)
          else void fleet.stop(guest)
          await world.pause(1_000)
        }
      },
    )
  },
}
