import { RELAY } from '../duties.ts'
import { crashAtFailpoint } from './crash-at-failpoint.ts'
import type { Scene } from './trouble.ts'

/** A step of a relay between Kafka's acknowledgement of rows and their mark, and how it is told of. */
const STEPS = {
  'relay:after-produce': 'when Kafka had acknowledged rows of its',
  'relay:before-mark': 'when it was about to mark rows as sent',
} as const

/**
 * Kills a relay at its worst moment, and starts another one: rows are on their topic, and nobody has noted it. Who has its buckets next, when its lease has
 * run out, sends them again, with their ids.
 */
export async function killRelay(failpoint: keyof typeof STEPS, scene: Scene): Promise<void> {
  const { fleet, moreOrders, say } = scene
  const victim = fleet.first(RELAY)
  moreOrders() // those that there were may all be placed by now
  const cameBy = await crashAtFailpoint(victim, failpoint, scene)
  await victim.stop()
  const next = await fleet.start(RELAY)
  const where = cameBy ? STEPS[failpoint] : 'while it had nothing to send'
  say(`killed ${RELAY} (process ${victim.child.pid}) with SIGKILL ${where}; started another one`)
  await fleet.ready(next)
}
