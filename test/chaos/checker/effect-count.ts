import { doublesOf } from './doubles.ts'
import type { GroupStory, IndexedHistory } from './index-history.ts'
import type { Report } from './violation.ts'

/**
 * I7: where effect and mark are one transaction there is one effect of a value, no matter how often it was delivered; where they are two
 * writes, there is another one only where something came between the two, or where the mark was forgotten. (That there is one at all is I1.)
 */
export function effectCount(history: IndexedHistory, report: Report): void {
  for (const group of history.groups) {
    if (group.expected.effects === 'exactly-once') judgeCounts(history, group, report)
    if (group.expected.effects === 'once-but-for-windows') judgeDoubles(history, group, report)
  }
}

function judgeCounts({ byValue }: IndexedHistory, { expected, effectsByValue }: GroupStory, report: Report): void {
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

function judgeDoubles(history: IndexedHistory, group: GroupStory, report: Report): void {
  for (const { value, first, second, at, why } of doublesOf(history, group)) {
    if (why !== 'marked' && why !== 'nothing') continue
    const { topic, partition, offset, proc } = second
    const after = why === 'marked' ? `which ${first.proc} had marked` : `and nothing explains it`
    report({
      type: why === 'marked' ? 'effect-after-mark' : 'effect-repeated',
      text: `${proc} had an effect of ${value} after that of ${first.proc}, ${after}`,
      at,
      group: group.expected.group,
      topic,
      partition,
      offset,
      proc,
      weight: why === 'marked' ? 2 : 1,
    })
  }
}
