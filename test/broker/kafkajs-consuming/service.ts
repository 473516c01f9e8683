import { onTestFinished, vi } from 'vitest'
import { z } from 'zod'
import type { Consumer, ConsumerOptions, MessageContext, SubscriptionOptions } from '../../../src/consumer/index.ts'
import { createConsumer } from '../../../src/consumer/index.ts'
import type { Driver } from '../../../src/driver/index.ts'
import { kafkajsDriver } from '../../../src/driver/kafkajs/index.ts'
import { defineTopic } from '../../../src/topic/index.ts'
import type { World } from './member.ts'

/** Numbers that were handled, by whichever member. */
export interface Ledger {
  readonly entries: number[]
  note(value: number): void
  /** Resolves as soon as it is true; a test's timeout ends it otherwise. */
  until(condition: () => boolean): Promise<void>
}

/** Makes an empty {@link Ledger}. */
export function createLedger(): Ledger {
  const entries: number[] = []
  const waiting = new Set<() => void>()
  return {
    entries,
    note(value) {
      entries.push(value)
      for (const check of waiting) check()
    },
    until(condition) {
      return new Promise((resolve) => {
        const check = (): void => {
          if (!condition()) return
          waiting.delete(check)
          resolve()
        }
        waiting.add(check)
        check()
      })
    },
  }
}

/** How a service is made. */
export interface ServiceOptions extends Partial<ConsumerOptions> {
  /** @defaultValue no dead letter topic; what is exhausted waits */
  readonly subscription?: SubscriptionOptions
}

/** A driver of its own on the world's brokers. */
export function driverOf({ brokers }: World): Driver {
  return kafkajsDriver({ clientId: 'service', brokers: [...brokers] })
}

/** A consumer of the whole library on the world's topic, whose values are numbers; closed with the test. */
export function createService(
  world: World,
  handle: (value: number, context: MessageContext) => unknown,
  { subscription = { deadLetter: false, onExhausted: 'pause' }, ...options }: ServiceOptions = {},
): Consumer {
  const topic = defineTopic({ name: world.topic, schema: z.number(), key: 'none' })
  const consumer = createConsumer({
    driver: driverOf(world),
    groupId: world.groupId,
    sessionTimeoutMs: 6_000,
    heartbeatIntervalMs: 300,
    rebalanceTimeoutMs: 20_000,
    drainTimeoutMs: 5_000,
    ...options,
  }).on(
    topic,
    async ({ value }, context) => {
      await handle(value, context)
    },
    subscription,
  )
  onTestFinished(() => consumer.close())
  return consumer
}

/** Records that go on coming. */
export interface Load {
  /** Ends it, and answers with every number that was acknowledged, in order. */
  stop(): Promise<number[]>
}

/** Sends 0, 1, 2, … to the partitions in turn, about 400 a second, until it is stopped. */
export function startLoad(world: World, partitions: number): Load {
  const sent: number[] = []
  let stopped: Promise<void> | undefined
  let over = false
  const running = (async () => {
    for (let next = 0; !over; next += 4) {
      const values = [next, next + 1, next + 2, next + 3]
      const written = await world.producer.send({
        topic: world.topic,
        messages: values.map((value) => ({ partition: value % partitions, value: String(value) })),
      })
      // kafkajs drops, with success, what is for a partition whose leader it does not know: only these have been acknowledged.
      const acknowledged = new Set(written.map(({ partition }) => partition))
      sent.push(...values.filter((value) => acknowledged.has(value % partitions)))
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  })()
  running.catch(() => {}) // heard by stop
  onTestFinished(() => void (over = true))
  return {
    async stop() {
      over = true
      await (stopped ??= running)
      return sent
    },
  }
}

/** As work that takes a moment. */
export function work(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Polls the consumer's health. */
export async function healthUntil(
  consumer: Consumer,
  condition: (health: ReturnType<Consumer['health']>) => boolean,
): Promise<void> {
  await vi.waitUntil(() => condition(consumer.health()), { timeout: 20_000, interval: 20 })
}
