import type { Consumer } from '../../consumer/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import type { Position } from '../../record/index.ts'
import { formatPosition } from '../../record/index.ts'
import type { FinishedRecord, WaitOptions } from './consumer-watch.ts'
import { watchConsumer } from './consumer-watch.ts'

/** Which records are waited for: a place or several, such as `send` and `sendMany` answer with, or those that a function picks. */
export type RecordMatch = Position | readonly Position[] | ((record: FinishedRecord) => boolean)

/** How many, and for how long. */
export interface WaitUntilHandledOptions extends WaitOptions {
  /** How many records of those that match: an integer of 1 or more. Not with places, which are all waited for. @defaultValue `1` */
  readonly count?: number
}

/**
 * Resolves when records got their outcome: handled, recognised as duplicates, parked or skipped.
 *
 * Places may be waited for at any time, also when they are done already. Without them it counts what happens from this call on: call it
 * before you send, and await it afterwards.
 *
 * ```ts
 * const sent = await producer.send(orders, order)
 * const [{ outcome }] = await waitUntilHandled(consumer, sent)
 * ```
 *
 * @returns the records, in the order of their outcomes; of places, in the order of these.
 * @throws HOLDFAST_NOT_AS_EXPECTED when they did not within `timeoutMs`, with what was seen instead, payloads never; HOLDFAST_CONFIG_INVALID.
 */
export async function waitUntilHandled(
  consumer: Consumer,
  match: RecordMatch = () => true,
  options: WaitUntilHandledOptions = {},
): Promise<readonly [FinishedRecord, ...FinishedRecord[]]> {
  refuseUnfit(match, options)
  const found =
    typeof match === 'function'
      ? await those(consumer, match, options)
      : await theseOnes(consumer, 'topic' in match ? [match] : match, options)
  return found as [FinishedRecord, ...FinishedRecord[]]
}

const CALL = 'waitUntilHandled'

function those(
  consumer: Consumer,
  match: (record: FinishedRecord) => boolean,
  options: WaitUntilHandledOptions,
): Promise<readonly FinishedRecord[]> {
  const { count = 1 } = options
  return watchConsumer(
    consumer,
    {
      call: CALL,
      find(finished) {
        const matching = finished.filter(match)
        return matching.length >= count ? matching.slice(0, count) : null
      },
      missing: (finished) => `${finished.filter(match).length} of ${count} records got their outcome`,
    },
    options,
  )
}

function theseOnes(
  consumer: Consumer,
  positions: readonly Position[],
  options: WaitOptions,
): Promise<readonly FinishedRecord[]> {
  const outcomeOf = (position: Position, finished: readonly FinishedRecord[]): FinishedRecord | undefined => {
    const place = formatPosition(position)
    const seen = finished.find((each) => formatPosition(each.position) === place)
    if (seen !== undefined) return seen
    const { watermark } =
      consumer
        .health()
        .partitions.find(({ topic, partition }) => topic === position.topic && partition === position.partition) ?? {}
    const isDone = typeof watermark === 'bigint' && position.offset < watermark
    return isDone ? { outcome: 'earlier', position } : undefined
  }
  return watchConsumer(
    consumer,
    {
      call: CALL,
      find(finished) {
        const found = positions.map((position) => outcomeOf(position, finished))
        return found.every((each) => each !== undefined) ? found : null
      },
      missing(finished) {
        const open = positions.filter((position) => outcomeOf(position, finished) === undefined)
        return `no outcome of ${open.map(formatPosition).join(', ')}`
      },
    },
    options,
  )
}

function refuseUnfit(match: RecordMatch, { count }: WaitUntilHandledOptions): void {
  const problems = []
  if (count !== undefined && (!Number.isSafeInteger(count) || count < 1))
    problems.push({ path: 'count', message: 'an integer from 1 is needed' })
  if (typeof match !== 'function') {
    const positions = Array.isArray(match) ? (match as readonly Position[]) : [match as Position]
    if (count !== undefined) problems.push({ path: 'count', message: 'not with places: all of them are waited for' })
    if (positions.length === 0) problems.push({ path: 'match', message: 'one place or more is needed' })
    if (positions.some((each) => typeof each?.topic !== 'string' || typeof each.offset !== 'bigint'))
      problems.push({ path: 'match', message: 'places are needed: { topic, partition, offset }' })
  }
  if (problems.length > 0)
    throw new HoldfastError('HOLDFAST_CONFIG_INVALID', `${CALL}: options do not fit`, { problems })
}
