import type { IndexedHistory } from './index-history.ts'
import type { OutboxStory } from './outbox-story.ts'
import { bucketOf, outboxStory } from './outbox-story.ts'
import type { Report } from './violation.ts'

/**
 * I5 of an outbox: each epoch of a bucket is one worker's, epochs grow, and a bucket is given back only when nothing of it is under way.
 */
export function outboxBuckets(history: IndexedHistory, report: Report): void {
  const story = outboxStory(history)
  if (story === undefined) return
  judgeEpochs(story, report)
  judgeReleases(story, report)
}

function judgeEpochs({ holds }: OutboxStory, report: Report): void {
  const owners = new Map<string, string>()
  for (const { proc, bucket, epoch, from } of holds) {
    const name = `${bucket} ${epoch}`
    const owner = owners.get(name)
    if (owner === undefined) owners.set(name, proc)
    else {
      const text = `${proc} has bucket ${bucket} at epoch ${epoch}, which was ${owner === proc ? 'its own before' : `${owner}'s`}`
      report({ type: 'epoch-given-twice', text, at: from, proc })
    }
  }
}

function judgeReleases({ holds, sends, rowOf }: OutboxStory, report: Report): void {
  const released = new Map<string, { readonly from: number; readonly until: number }[]>()
  for (const { proc, bucket, from, until, isReleased } of holds) {
    if (!isReleased) continue
    const name = `${proc} ${bucket}`
    const own = released.get(name)
    if (own === undefined) released.set(name, [{ from, until }])
    else own.push({ from, until })
  }
  for (const [id, all] of sends) {
    const row = rowOf.get(id)
    if (row === undefined) continue
    for (const { proc, topic, sentAt, end, answeredAt, markedAt } of all) {
      const over = end === 'acked' ? (markedAt ?? Infinity) : (answeredAt ?? Infinity)
      const bucket = bucketOf(topic, row)
      const hold = (released.get(`${proc} ${bucket}`) ?? []).find(({ from, until }) => from <= sentAt && until > sentAt)
      if (hold === undefined || over <= hold.until) continue
      const text = `${proc} gave bucket ${bucket} back while ${id} was under way, or not marked`
      report({ type: 'released-under-way', text, at: hold.until, proc })
    }
  }
}
