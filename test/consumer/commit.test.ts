import { expect, test } from 'vitest'
import type { CommitOffset } from '../../src/driver/index.ts'
import { createCommitter } from '../../src/consumer/commit.ts'
import type { Epoch } from '../../src/consumer/epoch.ts'
import { createEpoch } from '../../src/consumer/epoch.ts'
import type { ConsumerEvents } from '../../src/consumer/index.ts'
import type { Events } from '../../src/events/index.ts'
import { createEvents } from '../../src/events/index.ts'
import { decodeFinishedRanges } from '../../src/consumer/finished-ranges.ts'
import { HoldfastError } from '../../src/errors/index.ts'
import type { Logger } from '../../src/logger/index.ts'
import { silentLogger } from '../../src/logger/index.ts'
import { failpoints, virtualRuntime } from '../../src/testing/index.ts'

function setup(
  options: {
    readonly intervalMs?: number
    readonly commit?: (offsets: readonly CommitOffset[]) => Promise<void>
    readonly metadata?: boolean
    readonly atMostOnce?: boolean
    readonly logger?: Logger
    readonly events?: Events<ConsumerEvents>
  } = {},
) {
  const points = failpoints()
  const runtime = virtualRuntime({ failpoint: points.failpoint })
  const sent: (readonly CommitOffset[])[] = []
  const membership = { suspect: false }
  const committer = createCommitter({
    consumer: {
      commit: async (offsets) => {
        sent.push(offsets)
        await options.commit?.(offsets)
      },
    },
    runtime,
    logger: options.logger ?? silentLogger,
    events: options.events ?? createEvents<ConsumerEvents>(silentLogger),
    intervalMs: options.intervalMs ?? 100,
    metadata: options.metadata ?? true,
    isAtMostOnce: () => options.atMostOnce ?? false,
    isSuspect: () => membership.suspect,
    async confirmMembership(epoch) {
      while (!epoch.stopped && membership.suspect) {
        await runtime.clock.sleep(100, epoch.ownStop().signal).catch(() => {})
      }
    },
  })
  const show = ({ partition, offset, metadata }: CommitOffset): string => {
    if (metadata === undefined) return `${partition}@${offset}`
    const ranges = decodeFinishedRanges(offset, metadata).map(({ first, last }) => `${first}-${last}`)
    return `${partition}@${offset}+${ranges.join('+')}`
  }
  return {
    runtime,
    points,
    sent,
    membership,
    committer,
    offsets: () => sent.map((each) => each.map(show).join(' ')),
  }
}

function epochAt(partition: number, finished: bigint): Epoch {
  const epoch = createEpoch({ topic: 'orders', partition }, 1, 0n)
  epoch.begin(0n)
  finish(epoch, finished)
  return epoch
}

function finish(epoch: Epoch, upTo: bigint): void {
  for (let offset = epoch.tracker!.next; offset < upTo; offset++) {
    epoch.tracker!.finish(epoch.tracker!.take(offset))
  }
}

const stuckTickets = new WeakMap<Epoch, number>()

/** Its record 0 has no outcome, until {@link unstick}; those after it up to here have, every second one where `sparse`. */
function stuckEpoch(partition: number, upTo: bigint, sparse = false): Epoch {
  const epoch = createEpoch({ topic: 'orders', partition }, 1, 0n)
  epoch.begin(0n)
  const tracker = epoch.tracker!
  stuckTickets.set(epoch, tracker.take(0n))
  for (let offset = 1n; offset < upTo; offset++) {
    const ticket = tracker.take(offset)
    if (!sparse || offset % 2n === 1n) tracker.finish(ticket)
  }
  return epoch
}

function unstick(epoch: Epoch): void {
  epoch.tracker!.finish(stuckTickets.get(epoch)!)
}

test('every partition that has moved goes into one request', async () => {
  const { runtime, committer, offsets } = setup()
  const [a, b, idle] = [epochAt(0, 3n), epochAt(1, 5n), epochAt(2, 0n)]
  for (const epoch of [a, b, idle]) committer.moved(epoch)
  await runtime.advance(100)
  expect(offsets()).toEqual(['0@3 1@5'])
  expect([a.committed, b.committed, idle.committed]).toEqual([3n, 5n, 0n])
})

test('an epoch that dies while its commit waits is left out: nothing is committed for what may be somebody else’s', async () => {
  const { runtime, points, committer, offsets } = setup()
  const [dies, lives] = [epochAt(0, 3n), epochAt(1, 5n)]
  const held = points.holdAt('commit:before')
  committer.moved(dies)
  committer.moved(lives)
  await runtime.run(held.reached)
  dies.end(new Error('gone'))
  held.release()
  await runtime.advance(1_000)
  expect(offsets()).toEqual(['1@5'])
  await runtime.run(committer.flush([dies, lives], 1_000))
  expect(offsets()).toEqual(['1@5'])
})

test('one request is under way at a time, and what finishes meanwhile goes with the next', async () => {
  const gates: (() => void)[] = []
  const { runtime, committer, offsets } = setup({ commit: () => new Promise((resolve) => gates.push(resolve)) })
  const epoch = epochAt(0, 1n)
  committer.moved(epoch)
  await runtime.advance(0)
  finish(epoch, 4n)
  committer.moved(epoch)
  await runtime.advance(1_000)
  expect(offsets()).toEqual(['0@1'])
  gates.shift()!()
  await runtime.advance(1_000)
  expect(offsets()).toEqual(['0@1', '0@4'])
})

test('thousands of finished records do not wait for the interval', async () => {
  const { runtime, committer, offsets } = setup({ intervalMs: 60_000 })
  const epoch = epochAt(0, 1n)
  committer.moved(epoch)
  await runtime.advance(1)
  for (let upTo = 2n; upTo <= 5_001n; upTo++) {
    finish(epoch, upTo)
    committer.moved(epoch)
  }
  await runtime.advance(1)
  expect(offsets()).toEqual(['0@1', '0@5001'])
})

test('a flush gives up at its deadline, however long the broker is silent', async () => {
  const { runtime, committer } = setup({ commit: () => new Promise(() => {}) })
  const before = runtime.clock.monotonic()
  await runtime.run(committer.flush([epochAt(0, 3n)], 5_000))
  expect(runtime.clock.monotonic() - before).toBe(5_000)
})

test('a refused commit is told as stale, and tried again only while the partition is owned', async () => {
  const lost = new HoldfastError('HOLDFAST_EPOCH_LOST', 'gone')
  const { runtime, committer, sent } = setup({ commit: () => Promise.reject(lost) })
  const epoch = epochAt(0, 3n)
  committer.moved(epoch)
  await runtime.advance(10_000)
  expect(sent.length).toBeGreaterThan(2)
  expect(committer.trouble).toMatchObject({ reason: 'HOLDFAST_EPOCH_LOST' })
  epoch.end(new Error('gone'))
  const before = sent.length
  await runtime.advance(60_000)
  expect(sent.length).toBe(before)
  expect(committer.trouble).toBeNull() // health must not stay red over a partition that is somebody else's
  expect(runtime.clock.pending).toBe(0)
})

test('an epoch that the broker knows no more keeps no other from being committed', async () => {
  const runtime = virtualRuntime()
  const committer = createCommitter({
    consumer: {
      async commit(offsets) {
        if (offsets.some(({ epoch }) => epoch === 1)) throw new HoldfastError('HOLDFAST_EPOCH_LOST', 'an old epoch')
      },
    },
    runtime,
    logger: silentLogger,
    events: createEvents<ConsumerEvents>(silentLogger),
    intervalMs: 100,
    metadata: true,
    isAtMostOnce: () => false,
    isSuspect: () => false,
    confirmMembership: async () => {},
  })
  const stale = epochAt(0, 3n)
  const live = createEpoch({ topic: 'orders', partition: 1 }, 2, 0n)
  live.begin(0n)
  finish(live, 5n)
  committer.moved(stale)
  committer.moved(live)
  await runtime.advance(1_000)
  expect([stale.committed, live.committed]).toEqual([0n, 5n])
  committer.close()
})

test('what is finished above a record that waits goes with the commit, so that a restart does not repeat it', async () => {
  const { runtime, committer, offsets } = setup()
  const epoch = stuckEpoch(0, 4n)
  committer.moved(epoch)
  await runtime.advance(100)
  expect(offsets()).toEqual(['0@0+1-3'])
  expect([epoch.committed, epoch.committedRevision]).toEqual([0n, epoch.tracker!.revision])
})

test('a flush says what is finished above the watermark, and nothing that the broker knows already', async () => {
  const { runtime, committer, offsets } = setup()
  const [stuck, idle] = [stuckEpoch(0, 4n), epochAt(1, 0n)]
  await runtime.run(committer.flush([stuck, idle], 1_000))
  await runtime.run(committer.flush([stuck, idle], 1_000))
  expect(offsets()).toEqual(['0@0+1-3'])
})

test('a driver that carries no text gets none, and no commit for what only text could say', async () => {
  const { runtime, committer, offsets } = setup({ metadata: false })
  const epoch = stuckEpoch(0, 4n)
  committer.moved(epoch)
  await runtime.advance(1_000)
  expect(offsets()).toEqual([])
  finish(epoch, 5n)
  unstick(epoch)
  committer.moved(epoch)
  await runtime.advance(1_000)
  expect(offsets()).toEqual(['0@5'])
})

test('thousands of records finished above one that waits do not make it commit more often than the interval', async () => {
  const { runtime, committer, offsets } = setup({ intervalMs: 60_000 })
  const [stuck, other] = [stuckEpoch(0, 2n), epochAt(1, 1n)]
  committer.moved(stuck)
  await runtime.advance(1)
  for (let upTo = 3n; upTo <= 20_000n; upTo++) {
    finish(stuck, upTo)
    committer.moved(stuck)
    if (upTo % 100n === 0n) {
      finish(other, upTo)
      committer.moved(other)
    }
  }
  await runtime.advance(1)
  expect(offsets()).toEqual(['0@0+1-1'])
  unstick(stuck) // now all of them can be committed
  committer.moved(stuck)
  await runtime.advance(1)
  expect(offsets()).toEqual(['0@0+1-1', '0@20000 1@20000'])
})

test('text that has no room for what is new is not sent again', async () => {
  const { runtime, committer, sent } = setup()
  const epoch = stuckEpoch(0, 10_000n, true)
  committer.moved(epoch)
  await runtime.advance(100)
  finish(epoch, 10_002n)
  committer.moved(epoch)
  await runtime.advance(1_000)
  await runtime.run(committer.flush([epoch], 1_000))
  expect(sent).toHaveLength(1)
  expect(Buffer.byteLength(sent[0]![0]!.metadata!)).toBeLessThanOrEqual(4_096)
  expect(epoch.committedRevision).toBe(epoch.tracker!.revision)
})

test('the text of hundreds of partitions stays far below what the broker appends as one batch', async () => {
  const { runtime, committer, sent } = setup()
  await runtime.run(
    committer.flush(
      Array.from({ length: 200 }, (_, partition) => stuckEpoch(partition, 4_000n, true)),
      1_000,
    ),
  )
  const bytes = sent[0]!.map(({ metadata }) => Buffer.byteLength(metadata!))
  expect(bytes.reduce((sum, each) => sum + each)).toBeLessThanOrEqual(524_288)
  expect(Math.min(...bytes)).toBeGreaterThan(1_000)
})

test('what is finished while an earlier commit is under way is said by the next, with the offset of the same moment', async () => {
  const gates: (() => void)[] = []
  const { runtime, committer, offsets } = setup({ commit: () => new Promise((resolve) => gates.push(resolve)) })
  const epoch = stuckEpoch(0, 3n)
  committer.moved(epoch)
  await runtime.advance(0)
  unstick(epoch)
  epoch.tracker!.take(3n)
  finish(epoch, 6n)
  committer.moved(epoch)
  gates.shift()!()
  await runtime.advance(1_000)
  expect(offsets()).toEqual(['0@0+1-2', '0@3+4-5'])
})

test('a broker that takes no text is given the offsets without it, at once and from then on, and that is said once', async () => {
  const refused = new HoldfastError('HOLDFAST_REFUSED', 'OFFSET_METADATA_TOO_LARGE')
  const warnings: string[] = []
  const { runtime, committer, offsets } = setup({
    logger: { ...silentLogger, warn: (_: unknown, message?: string) => void warnings.push(message!) },
    commit: async (all) => {
      if (all.some(({ metadata }) => metadata !== undefined)) throw refused
    },
  })
  const [stuck, moving] = [stuckEpoch(0, 3n), epochAt(1, 5n)]
  committer.moved(stuck)
  committer.moved(moving)
  await runtime.advance(0)
  expect(offsets()).toEqual(['0@0+1-2 1@5', '0@0 1@5'])
  expect(committer.trouble).toBeNull()
  finish(stuck, 9n)
  finish(moving, 9n)
  committer.moved(stuck)
  committer.moved(moving)
  await runtime.advance(1_000)
  expect(offsets().slice(2)).toEqual(['1@9'])
  expect(warnings).toEqual([expect.stringContaining('refuses text')])
})

test('at most once, what the broker was told stays with it where more is refused: it would be handled again', async () => {
  let most = Infinity
  const { runtime, committer, offsets } = setup({
    atMostOnce: true,
    commit: async (all) => {
      if (all.some(({ metadata = '' }) => metadata.length > most))
        throw new HoldfastError('HOLDFAST_REFUSED', 'OFFSET_METADATA_TOO_LARGE')
    },
  })
  const epoch = createEpoch({ topic: 'views', partition: 0 }, 1, 0n)
  epoch.begin(0n, [{ first: 5n, last: 6n }])
  const tickets = [0n, 1n, 2n, 3n, 4n].map((offset) => epoch.tracker!.take(offset))
  const finished = async (offset: number): Promise<void> => {
    epoch.tracker!.finish(tickets[offset]!)
    committer.moved(epoch)
    await runtime.advance(1_000)
  }
  most = 0
  await finished(2)
  expect(offsets().slice(0, 2)).toEqual(['0@0+2-2+5-6', '0@0+5-6']) // what its last owner has told is not taken away either
  expect(committer.trouble).not.toBeNull()
  most = 14
  await runtime.advance(10_000)
  expect(offsets().at(-1)).toBe('0@0+5-6')
  expect(committer.trouble).toBeNull()
  await finished(0)
  expect(offsets().at(-1)).toBe('0@1+5-6')
  await finished(1)
  await finished(3)
  expect(offsets().at(-1)).toBe('0@4+5-6')
  await finished(4)
  expect(offsets().at(-1)).toBe('0@5+5-6')
})

test('a commit that is refused without text too is a failure as any other, and text goes with the next', async () => {
  let refusals = 2
  const { runtime, committer, offsets } = setup({
    commit: async () => {
      if (refusals-- > 0) throw new HoldfastError('HOLDFAST_REFUSED', 'INVALID_COMMIT_OFFSET_SIZE')
    },
  })
  committer.moved(stuckEpoch(0, 3n))
  await runtime.advance(0)
  expect(committer.trouble).toMatchObject({ reason: 'HOLDFAST_REFUSED' })
  await runtime.advance(1_000)
  expect(offsets()).toEqual(['0@0+1-2', '0@0', '0@0+1-2'])
  expect(committer.trouble).toBeNull()
})

test('an outage is not taken for a broker that takes no text', async () => {
  let outages = 1
  const { runtime, committer, offsets } = setup({
    commit: async () => {
      if (outages-- > 0) throw new HoldfastError('HOLDFAST_UNAVAILABLE', 'nobody answers')
    },
  })
  committer.moved(stuckEpoch(0, 3n))
  await runtime.advance(1_000)
  expect(offsets()).toEqual(['0@0+1-2', '0@0+1-2'])
})

test('a refusal of offsets that had no text is a failure, and takes text from nobody', async () => {
  let refusals = 1
  const { runtime, committer, offsets } = setup({
    commit: async () => {
      if (refusals-- > 0) throw new HoldfastError('HOLDFAST_REFUSED', 'INVALID_REQUEST')
    },
  })
  committer.moved(epochAt(0, 3n))
  await runtime.advance(0)
  expect(offsets()).toEqual(['0@3'])
  await runtime.advance(1_000)
  committer.moved(stuckEpoch(1, 3n))
  await runtime.advance(1_000)
  expect(offsets()).toEqual(['0@3', '0@3', '1@0+1-2'])
})

test('offsets are not given without their text either while the group does not confirm the membership', async () => {
  const world = setup({
    commit: async (all) => {
      if (all.every(({ metadata }) => metadata === undefined)) return
      world.membership.suspect = true
      throw new HoldfastError('HOLDFAST_REFUSED', 'OFFSET_METADATA_TOO_LARGE')
    },
  })
  const epoch = stuckEpoch(0, 3n)
  world.committer.moved(epoch)
  await world.runtime.advance(10_000)
  expect(world.offsets()).toEqual(['0@0+1-2'])
  epoch.end(new Error('lost'))
  world.membership.suspect = false
  await world.runtime.advance(10_000)
  expect(world.offsets()).toEqual(['0@0+1-2'])
})

test('a commit that is refused as stale is told of the partitions that it was for, not of those that had nothing to say', async () => {
  const events = createEvents<ConsumerEvents>(silentLogger)
  const stale: number[] = []
  events.listen('stale-refused', ({ position }) => void stale.push(position.partition))
  const { runtime, committer } = setup({
    events,
    commit: () => Promise.reject(new HoldfastError('HOLDFAST_EPOCH_LOST', 'gone')),
  })
  committer.moved(epochAt(0, 3n))
  committer.moved(epochAt(1, 0n))
  await runtime.advance(0)
  expect(stale).toEqual([0])
})

test('nothing is committed while the group does not confirm the membership, and then what is finished by then', async () => {
  const { runtime, committer, membership, offsets } = setup()
  const epoch = epochAt(0, 3n)
  membership.suspect = true
  committer.moved(epoch)
  await runtime.advance(60_000)
  finish(epoch, 7n)
  expect(offsets()).toEqual([])
  membership.suspect = false
  await runtime.advance(1_000)
  expect(offsets()).toEqual(['0@7'])
})

test('an epoch that is lost while the group does not confirm the membership is never committed', async () => {
  const { runtime, committer, membership, sent } = setup()
  const epoch = epochAt(0, 3n)
  membership.suspect = true
  committer.moved(epoch)
  await runtime.advance(1_000)
  epoch.end(new Error('lost'))
  membership.suspect = false
  await runtime.advance(60_000)
  expect(sent).toEqual([])
  expect([committer.trouble, runtime.clock.pending]).toEqual([null, 0])
})

test('a drain commits nothing while the membership is not confirmed, gives up at its deadline, and commits when it is in time', async () => {
  const { runtime, committer, membership, offsets } = setup()
  const epoch = epochAt(0, 3n)
  epoch.stop()
  membership.suspect = true
  await runtime.run(committer.flush([epoch], 5_000))
  expect(offsets()).toEqual([])
  expect(committer.trouble).toMatchObject({ reason: 'HOLDFAST_UNAVAILABLE' })
  const flushed = committer.flush([epoch], 60_000)
  await runtime.advance(1_000)
  membership.suspect = false
  await runtime.run(flushed)
  expect(offsets()).toEqual(['0@3'])
})

test('a drain with nothing to commit waits for nobody', async () => {
  const { runtime, committer, membership } = setup()
  membership.suspect = true
  const before = runtime.clock.monotonic()
  await runtime.run(committer.flush([epochAt(0, 0n)], 5_000))
  expect(runtime.clock.monotonic()).toBe(before)
})

test('a seek commits its target, though the group has committed more, and only after what is under way', async () => {
  const gates: (() => void)[] = []
  const { runtime, committer, offsets } = setup({ commit: () => new Promise((resolve) => gates.push(resolve)) })
  const before = epochAt(0, 9n)
  committer.moved(before)
  await runtime.advance(0)
  before.end(new Error('a seek'))
  const after = createEpoch({ topic: 'orders', partition: 0 }, 1, 9n)
  after.begin(4n)
  const done = committer.rewind(after)
  await runtime.advance(1_000)
  expect(offsets()).toEqual(['0@9'])
  gates.shift()!()
  await runtime.advance(0)
  gates.shift()!()
  await runtime.run(done)
  expect(offsets()).toEqual(['0@9', '0@4'])
  expect(after.committed).toBe(4n)
})

test('no commit goes back but for a seek: a watermark below what is committed waits until it has passed it', async () => {
  const { runtime, committer, sent } = setup()
  const epoch = createEpoch({ topic: 'orders', partition: 0 }, 1, 9n)
  epoch.begin(4n)
  const stuck = epoch.tracker!.take(4n)
  finish(epoch, 9n)
  committer.moved(epoch)
  await runtime.run(committer.flush([epoch], 1_000))
  expect(sent).toEqual([])
  finish(epoch, 12n)
  epoch.tracker!.finish(stuck)
  await runtime.run(committer.flush([epoch], 1_000))
  expect(sent).toMatchObject([[{ offset: 12n }]])
})

test('a start that the group has not committed is, even where nothing was handled', async () => {
  const { runtime, committer, offsets } = setup()
  const epoch = createEpoch({ topic: 'orders', partition: 0 }, 1, null)
  epoch.begin(0n)
  await runtime.run(committer.commitStarts([epoch]))
  expect(offsets()).toEqual(['0@0'])
})
