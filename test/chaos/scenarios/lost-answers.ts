import { API_KEYS } from '../../../scripts/services/index.ts'
import type { Scenario } from '../machine/index.ts'

/** The broker has done it, and nobody hears. */
export const lostAnswers: Scenario = {
  number: 16,
  name: 'lost-answers',
  about: 'Answers to produce requests and commits are dropped, with the connection reset or left open.',
  seconds: 50,
  async inject(world) {
    for (const [what, apiKey] of [
      ['produce', API_KEYS.produce],
      ['commit', API_KEYS.offsetCommit],
    ] as const) {
      for (const connection of ['reset', 'open'] as const) {
        await world.nemesis.during(
          'answers lost',
          `${what}, connection ${connection}`,
          () => {
            const faults = world.cluster.nodes.map(({ proxy }) => proxy.swallowResponses(apiKey, 3, { connection }))
            return () => faults.forEach((fault) => fault.disarm())
          },
          () => world.pause(3_000),
        )
      }
    }
  },
}
