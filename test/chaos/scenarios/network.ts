import type { Scenario } from '../machine/index.ts'

/** Connections die all the time. */
export const connectionResets: Scenario = {
  number: 11,
  name: 'connection-resets',
  about: 'Every connection to every broker is reset every 700 ms.',
  seconds: 35,
  async inject(world) {
    const { nodes } = world.cluster
    await world.nemesis.during(
      'resets',
      'all brokers',
      () => () => undefined,
      async () => {
        for (let n = 0; n < 14; n++) {
          for (const { proxy } of nodes) proxy.reset()
          await world.pause(700)
        }
      },
    )
  },
}
