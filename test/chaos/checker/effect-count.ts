import type { IndexedHistory } from './index-history.ts'
import type { Report } from './violation.ts'

/** I7: where effect and mark are one transaction there is one effect of a value, no matter how often it was delivered. */
export function effectCount({ groups, byValue }: IndexedHistory, report: Report): void {
  for (const { expected, effectsByValue } of groups) {
    if (expected.effects !== 'exactly-once') continue
    for (const [value, effects] of effectsByValue) {
      if (effects.length < 2) continue
      const { topic, partition, offset } = effects[1]!
      const places = effects.map((effect) => `${effect.proc} epoch ${effect.epoch} at ${effect.offset}`).join(', ')
      const sent = byValue.get(value)?.end
      report({
        type: 'effect-doubled',
        text: `${expected.group} has ${effects.length} effects of ${value}: ${places}`,
        group: expected.group,
        topic,
        partition,
        offset,
        weight: effects.length,
        ...(sent !== undefined && { at: sent.t }),
      })
    }
  }
}
