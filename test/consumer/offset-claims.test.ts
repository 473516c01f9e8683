import { expect, test, vi } from 'vitest'
import type { Epoch } from '../../src/consumer/epoch.ts'
import { createEpoch } from '../../src/consumer/epoch.ts'
import { encodeFinishedRanges } from '../../src/consumer/finished-ranges.ts'
import { createOffsetClaims } from '../../src/consumer/offset-claims.ts'

/** A partition with so many records, of which the even ones are of a slow key: they are claimed late. */
function setup(records: number) {
  const epoch = createEpoch({ topic: 'views', partition: 0 }, 1, 0n)
  epoch.begin(0n)
  const tracker = epoch.tracker!
  const tickets = Array.from({ length: records }, (_, i) => tracker.take(BigInt(i)))
  const claimed = vi.fn<(epoch: Epoch) => void>()
  let hasText = true
  const claims = createOffsetClaims(claimed, () => hasText)
  const ended: Record<number, string> = {}
  const waiting: number[] = []
  const places: number[] = []
  const claim = (offset: number, inOrder = false): void => {
    const record = { epoch, offset: BigInt(offset), ticket: tickets[offset]!, inOrder }
    const place = { leave: () => void waiting.push(offset), take: async () => void places.push(offset) }
    void claims.claim(record, place).then((result) => (ended[offset] = result))
  }
  /** The broker takes all that may be committed, with text of so many bytes at the most. */
  const acknowledge = async (maxBytes = 4_096): Promise<void> => {
    const offset = tracker.watermark()
    claims.acknowledged(epoch, offset, encodeFinishedRanges(offset, tracker.finishedRanges(), maxBytes))
    await settled()
  }
  const refuseText = (): void => {
    hasText = false
    claims.textRefused()
  }
  return { epoch, tracker, claims, claim, claimed, ended, waiting, places, acknowledge, refuseText }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const odd = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => 2 * i + 1)

test('one is held when a commit has passed it, and one above the watermark when it stands in the text of the commit', async () => {
  const { claim, ended, acknowledge, claims, claimed } = setup(6)
  for (const offset of [0, 3, 5]) claim(offset)
  expect([claims.areUrgent(), claimed.mock.calls.length]).toEqual([true, 3])
  await settled()
  expect(ended).toEqual({})
  await acknowledge(0) // a broker that takes no text
  expect(ended).toEqual({ 0: 'held' })
  await acknowledge(14) // room for one range
  expect(ended).toEqual({ 0: 'held', 3: 'held' })
  await acknowledge()
  expect(ended).toEqual({ 0: 'held', 3: 'held', 5: 'held' })
  expect(claims.areUrgent()).toBe(false)
})

test('what a commit might have no room for waits, and moves nothing: the next owner would handle it, too', async () => {
  const { claim, ended, waiting, tracker, acknowledge } = setup(60)
  for (const offset of odd(20)) claim(offset)
  expect(waiting).toEqual([33, 35, 37, 39])
  await acknowledge()
  expect(Object.keys(ended)).toHaveLength(16)
  expect([...tracker.finishedRanges()].at(-1)).toEqual({ first: 31n, last: 31n })
  claim(0) // the slow key goes on: 0 and 1 are below the watermark now, and there is room for one more
  await settled()
  await acknowledge()
  expect(ended[33]).toBe('held')
  expect(ended[35]).toBeUndefined()
})

test('the lowest of all never waits, also when it has waited behind others: so whoever waits, waits for something that goes on', async () => {
  const { claim, ended, waiting, acknowledge } = setup(60)
  for (const offset of [...odd(17), 2]) claim(offset)
  expect(waiting).toEqual([33, 2])
  claim(0)
  await settled()
  await acknowledge()
  expect([ended[0], ended[2], ended[33]]).toEqual(['held', 'held', 'held'])
})

test('a partition that is to go claims nothing more; what is on its way is still waited for, until the time to drain is over', async () => {
  const { claim, ended, epoch, tracker, acknowledge } = setup(60)
  for (const offset of odd(17)) claim(offset)
  epoch.stop()
  claim(0)
  await settled()
  expect(ended).toEqual({ 0: 'none', 33: 'none' })
  expect(tracker.watermark()).toBe(0n)
  await acknowledge(40)
  const held = Object.values(ended).filter((each) => each === 'held')
  expect(held.length).toBeGreaterThan(0)
  epoch.abort(new Error('over'))
  await settled()
  expect(Object.values(ended).filter((each) => each === 'abandoned')).toHaveLength(16 - held.length)
})

test('who has waited takes a place before anything of it moves: a crash loses no more than there are places', async () => {
  const { claim, places, tracker, acknowledge } = setup(60)
  for (const offset of odd(18)) claim(offset)
  await acknowledge()
  expect(places).toEqual([])
  claim(0)
  expect(tracker.watermark()).toBe(2n)
  expect(places).toEqual([]) // it has been told, and asks for its place first
  await settled()
  expect(places).toEqual([33])
})

test('what is called together is claimed in order, however much room there is: none may go without those before it', async () => {
  const { claim, waiting, ended, acknowledge, epoch } = setup(6)
  claim(1, true)
  claim(2, true)
  expect(waiting).toEqual([1, 2])
  claim(0, true)
  await settled()
  await acknowledge()
  expect(ended).toEqual({ 0: 'held', 1: 'held', 2: 'held' })
  claim(4, true)
  epoch.stop()
  await settled()
  expect(ended[4]).toBe('none')
})

test('without text in commits all but the lowest wait; what was on its way is withdrawn, and claimed again in its turn', async () => {
  const { claim, waiting, ended, places, tracker, acknowledge, refuseText } = setup(8)
  for (const offset of [1, 3]) claim(offset)
  refuseText()
  expect([...tracker.finishedRanges()]).toEqual([])
  await settled()
  expect(waiting).toEqual([1, 3])
  claim(5)
  expect(waiting).toEqual([1, 3, 5])
  claim(0)
  expect(tracker.watermark()).toBe(1n) // a commit now puts nothing but 0 at risk
  await settled()
  expect([places, tracker.watermark()]).toEqual([[1], 2n])
  await acknowledge(0)
  expect(ended).toEqual({ 0: 'held', 1: 'held' })
  claim(2)
  await settled()
  await acknowledge(0)
  expect(ended).toEqual({ 0: 'held', 1: 'held', 2: 'held', 3: 'held' })
})

test('what a watermark has passed already is not withdrawn when a text is refused: it has its place, and the next commit names it', async () => {
  const { claim, waiting, ended, acknowledge, refuseText } = setup(4)
  claim(0)
  claim(1)
  refuseText()
  await settled()
  expect(waiting).toEqual([])
  await acknowledge(0)
  expect(ended).toEqual({ 0: 'held', 1: 'held' })
})

test('one that was withdrawn and whose partition goes before its turn moves nothing', async () => {
  const { claim, ended, epoch, tracker, refuseText } = setup(4)
  claim(1)
  refuseText()
  await settled()
  epoch.stop()
  await settled()
  expect([ended, tracker.watermark(), [...tracker.finishedRanges()]]).toEqual([{ 1: 'none' }, 0n, []])
})

test('of a partition whose claims were given up nothing more is to be committed: nobody would handle them', async () => {
  const { claim, epoch, claims } = setup(4)
  claim(0)
  expect(claims.hasGivenUp(epoch)).toBe(false)
  epoch.abort(new Error('over'))
  await settled()
  expect(claims.hasGivenUp(epoch)).toBe(true)
})
