import type { Consumer, ConsumerConfig, ConsumerRunConfig } from 'kafkajs'
import { Kafka, logLevel } from 'kafkajs'
import { onTestFinished } from 'vitest'
import type { World } from './member.ts'

/** kafkajs as its users have it, for the half of a test that shows the defect. */
export interface Bare {
  readonly consumer: Consumer
  /** The assignments so far, as partition numbers of the world's topic. */
  readonly assignments: readonly (readonly number[])[]
  /** Leaves the group. */
  stop(): Promise<void>
}

/** How a bare consumer is run. */
export type BareOptions = ConsumerRunConfig & {
  /** @defaultValue `true` */
  readonly fromBeginning?: boolean
  readonly config?: Partial<ConsumerConfig>
}

/** Runs a bare kafkajs consumer in the world's group, on a `Kafka` of its own; it is stopped with the test. */
export async function runBare(world: World, { fromBeginning = true, config, ...run }: BareOptions): Promise<Bare> {
  const kafka = new Kafka({ clientId: 'bare', brokers: [...world.brokers], logLevel: logLevel.NOTHING })
  const consumer = kafka.consumer({ groupId: world.groupId, heartbeatInterval: 300, maxWaitTimeInMs: 250, ...config })
  const assignments: (readonly number[])[] = []
  consumer.on('consumer.group_join', ({ payload }) => {
    assignments.push(payload.memberAssignment[world.topic] ?? [])
  })
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => (stopped ??= consumer.disconnect())
  onTestFinished(stop)
  await consumer.connect()
  await consumer.subscribe({ topic: world.topic, fromBeginning })
  await consumer.run(run)
  return { consumer, assignments, stop }
}
