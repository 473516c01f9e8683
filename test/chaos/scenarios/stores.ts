import type { World } from '../machine/index.ts'

/** An outage of a store is no message's fault, and uses up no attempt. */
export function nothingParked({ live }: World): readonly string[] {
  const { parked, retried } = live
  return [
    ...(parked === 0 ? [] : [`${parked} messages were parked, and none was at fault`]),
    ...(retried === 0 ? [] : [`${retried} attempts were used up, and no message was at fault`]),
  ]
}

/** The fault has shown itself to the stores by one of these codes at least. */
export function seenByStore({ live }: World, ...codes: readonly string[]): readonly string[] {
  if (codes.some((code) => live.storeFailures.has(code))) return []
  const seen = Array.from(live.storeFailures, ([code, count]) => `${code} ${count}`).join(', ') || 'nothing'
  return [`proves nothing: no store met ${codes.join(' or ')}, but ${seen}`]
}
