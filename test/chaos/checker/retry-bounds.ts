import type { Delivery, EventOf } from '../history/index.ts'
import type { RetryExpectation } from './expectations.ts'
import type { IndexedHistory, PartitionEvent, PartitionStory } from './index-history.ts'
import type { Report } from './violation.ts'

/** A timer of Node may fire a little before its millisecond is over. */
const EARLY_TOLERANCE_US = 2_000

/**
 * I8: no more attempts than allowed, counted without gaps within an epoch; each wait is the backoff's, is not cut short, and belongs to
 * an error that may be retried.
 */
export function retryBounds({ groups }: IndexedHistory, report: Report): void {
  for (const { expected, partitions } of groups) {
    if (expected.retry === undefined) continue
    for (const story of partitions.values()) judgePartition(story, expected.retry, report)
  }
}

function judgePartition(story: PartitionStory, retry: RetryExpectation, report: Report): void {
  const attempts = new Map<string, PartitionEvent & Delivery>()
  const waits = new Map<string, EventOf<'retry'>>()
  const tell = (type: string, event: PartitionEvent & { readonly offset: bigint }, text: string): void =>
    report({
      type,
      text: `${event.proc}, offset ${event.offset}: ${text}`,
      at: event.t,
      group: story.group.expected.group,
      topic: story.topic,
      partition: story.partition,
      offset: event.offset,
      proc: event.proc,
    })
  for (const event of story.events) {
    if (event.f === 'handler-begin') {
      const name = `${event.proc} ${event.offset}`
      const before = attempts.get(name)
      const wait = waits.get(name)
      attempts.set(name, event)
      waits.delete(name)
      if (event.attempt > retry.maxAttempts) {
        tell('too-many-attempts', event, `attempt ${event.attempt} of at most ${retry.maxAttempts}`)
      }
      const isNext = before !== undefined && before.epoch === event.epoch && event.attempt > before.attempt + 1
      if (isNext) tell('attempt-left-out', event, `attempt ${event.attempt} follows attempt ${before.attempt}`)
      const isSameTry = wait !== undefined && event.attempt === wait.attempt + 1 && before?.epoch === event.epoch
      if (isSameTry && event.t < wait.t + wait.delayMs * 1_000 - EARLY_TOLERANCE_US) {
        tell('wait-cut-short', event, `began ${(event.t - wait.t) / 1_000} ms into a wait of ${wait.delayMs} ms`)
      }
    } else if (event.f === 'retry') {
      waits.set(`${event.proc} ${event.offset}`, event)
      judgeWait(event, retry, tell)
    }
  }
}

function judgeWait(
  event: EventOf<'retry'>,
  retry: RetryExpectation,
  tell: (type: string, event: EventOf<'retry'>, text: string) => void,
): void {
  const { attempt, delayMs, code } = event
  const { initialDelayMs, factor, maxDelayMs, jitter, maxAttempts, neverRetried = [] } = retry
  if (attempt >= maxAttempts) tell('retried-after-last', event, `a wait after attempt ${attempt} of ${maxAttempts}`)
  if (code !== undefined && neverRetried.includes(code)) tell('fatal-retried', event, `a wait after ${code}`)
  const nominal = Math.min(initialDelayMs * factor ** (attempt - 1), maxDelayMs)
  const [least, most] = [nominal * (1 - jitter), Math.min(nominal * (1 + jitter), maxDelayMs)]
  if (delayMs < Math.floor(least) || delayMs > Math.ceil(most)) {
    tell('wait-out-of-bounds', event, `${delayMs} ms after attempt ${attempt}, and it is from ${least} to ${most} ms`)
  }
}
