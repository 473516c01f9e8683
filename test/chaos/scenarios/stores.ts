import type { World } from '../machine/index.ts'

/** Less than usual: a store costs round trips, and what an outage has held up is to be worked off on a slow machine too. */
export const RATE = 80

/** An outage of a store is no message's fault, and uses up no attempt. */
export function nothingParked({ live }: World): readonly string[] {
  const { parked, retried } = live
  return [
    ...(parked === 0 ? [] : [`${parked} messages were parked, and none was at fault`]),
    ...(retried === 0 ? [] : [`${retried} attempts were used up, and no message was at fault`]),
  ]
}

/** An outage goes on for so long, and until a partition has been seen to wait for it, however slow the machine is. */
export async function outage(world: World, ms: number): Promise<void> {
  const before = world.live.count('paused')
  await world.pause(ms)
  await world.until('that a partition waits', () => world.live.count('paused') > before)
}

/** The fault has shown itself to the stores by one of these codes at least. */
export function seenByStore({ live }: World, ...codes: readonly string[]): readonly string[] {
  if (codes.some((code) => live.storeFailures.has(code))) return []
  const seen = Array.from(live.storeFailures, ([code, count]) => `${code} ${count}`).join(', ') || 'nothing'
  return [`proves nothing: no store met ${codes.join(' or ')}, but ${seen}`]
}
