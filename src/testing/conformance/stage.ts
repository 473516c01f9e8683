import assert from 'node:assert/strict'
import type {
  Compression,
  Driver,
  DriverAdmin,
  DriverProducer,
  DriverTransaction,
  ProduceOutcome,
} from '../../driver/index.ts'
import { silentLogger } from '../../logger/index.ts'
import type { Headers, InboundRecord, OutboundRecord, Position, TopicPartition } from '../../record/index.ts'
import type { DriverConformanceOptions, DriverWorld } from './harness.ts'
import type { Member, MemberOptions } from './member.ts'
import { createMember } from './member.ts'

/** How long one produce call of the suite may take. */
export const PRODUCE_TIMEOUT_MS = 20_000

/** One test's stage: makes clients, closes them at the end, waits for events. */
export interface Stage {
  readonly world: DriverWorld
  producer(options?: { readonly transactionalId?: string; readonly driver?: Driver }): Promise<DriverProducer>
  admin(): Promise<DriverAdmin>
  /** A topic with `a0`, `a1` and so on in each partition. */
  filledTopic(partitions: number, each: number): Promise<string>
  /** A consumer that remembers all it hears, not started yet. */
  newMember(groupId: string, options?: MemberOptions): Member
  /** A consumer that has been started, and remembers all it hears. */
  member(groupId: string, topics: readonly string[], options?: MemberOptions): Promise<Member>
  /** What a group has committed in a topic, by partition, as the cluster tells it. */
  committed(groupId: string, topic: string): Promise<readonly Omit<CommittedPosition, 'topic'>[]>
  /** Writes one batch; answers with its offsets, or fails the test. */
  write(
    to: DriverProducer | DriverTransaction,
    target: TopicPartition,
    records: readonly RecordSketch[],
    compression?: Compression,
  ): Promise<bigint[]>
  /** Writes one batch as {@link Stage.write}, and answers with what became of it. */
  attempt(
    to: DriverProducer | DriverTransaction,
    target: TopicPartition,
    records: readonly RecordSketch[],
    compression?: Compression,
  ): Promise<readonly ProduceOutcome[]>
  /** Everything that a reader of committed records finds in a topic, by partition, then in the order of delivery. */
  readAll(topic: string): Promise<readonly InboundRecord[]>
  /**
   * Writes a last record to each partition and waits until the members have it: whatever would be delivered twice, or to two of
   * them, has come by then. Its value is {@link LAST}.
   */
  settle(topic: string, ...members: readonly Member[]): Promise<void>
  /** Waits until the condition holds, looking again after every event and every few milliseconds. */
  until(condition: () => boolean | Promise<boolean>, what: string): Promise<void>
  close(): Promise<void>
}

/** One offset of a group. */
export type CommittedPosition = Position & { readonly metadata: string }

/** A record as a test writes it down. */
export interface RecordSketch {
  readonly key?: Uint8Array | string | null
  readonly value?: Uint8Array | string | null
  readonly headers?: Headers
  readonly timestamp?: bigint
}

const LOOK_AGAIN_MS = 20

/** The value of the record that ends a partition; see {@link Stage.settle}. */
export const LAST = 'the end'

/** Makes a {@link Stage}; `boundMs` bounds every wait. */
export function createStage(
  world: DriverWorld,
  boundMs: number,
  rebalance: NonNullable<DriverConformanceOptions['rebalance']>,
): Stage {
  const { runtime, driver } = world
  const surroundings = { runtime, logger: silentLogger }
  const closers: Array<() => Promise<void>> = []
  const members: Member[] = []
  let transactional = false
  let asking: Promise<DriverAdmin> | undefined

  const stage: Stage = {
    world,

    async producer({ transactionalId, driver: from = driver } = {}) {
      if (transactionalId !== undefined) transactional = true
      const producer = from.createProducer({
        ...surroundings,
        ...(transactionalId === undefined ? {} : { transactionalId }),
      })
      closers.push(() => producer.close({ timeoutMs: 5_000 }))
      await producer.connect()
      return producer
    },

    async admin() {
      const admin = driver.createAdmin(surroundings)
      closers.push(() => admin.close())
      await admin.connect()
      return admin
    },

    async filledTopic(partitions, each) {
      const topic = await world.topic(partitions)
      const producer = await stage.producer()
      for (let partition = 0; partition < partitions; partition++) {
        await stage.write(producer, { topic, partition }, numbered('a', each))
      }
      return topic
    },

    newMember(groupId, options = {}) {
      const member = createMember(options.driver ?? driver, surroundings, groupId, {
        holes: () => transactional,
        rebalance,
        ...options,
      })
      members.push(member)
      closers.push(() => member.consumer.stop())
      return member
    },

    async member(groupId, topics, options) {
      const member = stage.newMember(groupId, options)
      await member.start(topics)
      return member
    },

    async committed(groupId, topic) {
      const admin = await (asking ??= stage.admin())
      const offsets = await admin.committedOffsets(groupId, [topic])
      return offsets
        .map(({ partition, offset, metadata }) => ({ partition, offset, metadata }))
        .toSorted((a, b) => a.partition - b.partition)
    },

    async write(to, target, records, compression) {
      const outcomes = await stage.attempt(to, target, records, compression)
      return outcomes.map((outcome) => {
        if (!outcome.ok) throw outcome.error
        return outcome.offset
      })
    },

    async attempt(to, target, records, compression = 'none') {
      const { topic, partition } = target
      const batch = {
        topic,
        partition,
        compression,
        records: records.map((sketch) =>
          outbound({ topic, partition }, sketch, BigInt(Math.trunc(runtime.clock.now()))),
        ),
      }
      const outcomes = await to.produce(batch, { timeoutMs: PRODUCE_TIMEOUT_MS })
      assert.equal(outcomes.length, records.length, 'one outcome a record')
      return outcomes
    },

    async readAll(topic) {
      const writer = await stage.producer()
      const partitions = await writer.partitionCount(topic)
      const ends: bigint[] = [] // a last record in each partition tells when everything before it has been delivered
      for (let partition = 0; partition < partitions; partition++) {
        ends.push(...(await stage.write(writer, { topic, partition }, [{ value: LAST }])))
      }
      const reader = await stage.member(world.group(), [topic])
      await stage.until(
        () => ends.every((end, partition) => reader.of(partition).some(({ offset }) => offset === end)),
        `all of ${topic}`,
      )
      await reader.consumer.stop()
      return ends.flatMap((end, partition) => reader.of(partition).filter(({ offset }) => offset < end))
    },

    async settle(topic, ...readers) {
      const writer = await stage.producer()
      for (let partition = 0; partition < (await writer.partitionCount(topic)); partition++) {
        const [end] = await stage.write(writer, { topic, partition }, [{ value: LAST }])
        await stage.until(
          () => readers.some((reader) => reader.of(partition).some(({ offset }) => offset === end)),
          `the last record of ${topic}/${partition}`,
        )
      }
    },

    async until(condition, what) {
      const deadline = runtime.clock.monotonic() + boundMs
      while (!(await condition())) {
        for (const member of members) member.check()
        if (runtime.clock.monotonic() > deadline) {
          throw new Error(
            `waited ${boundMs} ms in vain for: ${what}\n${members.map((member) => member.story()).join('\n')}`,
          )
        }
        await runtime.clock.sleep(LOOK_AGAIN_MS)
      }
    },

    async close() {
      for (const close of closers.toReversed()) await close()
      for (const member of members) member.check()
    },
  }
  return stage
}

/** Sketches with the values `<name>0`, `<name>1`, and so on. */
export function numbered(name: string, count: number): readonly RecordSketch[] {
  return Array.from({ length: count }, (_, i) => ({ key: 'k', value: `${name}${i}` }))
}

/** @param now - an older default than this would let the broker delete the records in the middle of a test, for their age */
function outbound(target: TopicPartition, sketch: RecordSketch, now: bigint): OutboundRecord {
  const { key = 'k', value = 'v', headers = [], timestamp = now } = sketch
  return { ...target, key: bytes(key), value: bytes(value), headers, timestamp }
}

function bytes(value: Uint8Array | string | null): Uint8Array | null {
  return typeof value === 'string' ? Buffer.from(value) : value
}
