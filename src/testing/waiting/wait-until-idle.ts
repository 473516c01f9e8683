import type { Consumer } from '../../consumer/index.ts'
import type { InboundRecord } from '../../record/index.ts'
import { formatPartition, formatPosition } from '../../record/index.ts'
import type { ClusterOrDriver } from '../in-memory/index.ts'
import { clusterOf } from '../in-memory/index.ts'
import type { WaitOptions } from './consumer-watch.ts'
import { watchConsumer } from './consumer-watch.ts'

/** Where the records stand, and for how long they are waited for. */
export interface WaitUntilIdleOptions extends WaitOptions {
  readonly cluster: ClusterOrDriver
  /** The consumer's: what it has committed before has its outcome. */
  readonly groupId: string
}

/**
 * Resolves when every record of the partitions that this consumer owns has its outcome, also those that it has not fetched yet. May be called
 * at any time; what comes while it waits is waited for as well.
 *
 * @throws HOLDFAST_NOT_AS_EXPECTED when that is not so within `timeoutMs`, with what is open, payloads never; HOLDFAST_CONFIG_INVALID.
 */
export async function waitUntilIdle(consumer: Consumer, options: WaitUntilIdleOptions): Promise<void> {
  const cluster = clusterOf(options.cluster)
  const open = (): InboundRecord[] => {
    const committed = new Map(
      cluster.committed(options.groupId).map((each) => [formatPartition(each), each.offset] as const),
    )
    return consumer.health().partitions.flatMap(({ topic, partition, watermark }) => {
      const from = watermark ?? committed.get(formatPartition({ topic, partition })) ?? 0n
      return cluster.records(topic).filter((record) => record.partition === partition && record.offset >= from)
    })
  }
  await watchConsumer(
    consumer,
    {
      call: 'waitUntilIdle',
      find: () => (consumer.health().partitions.length > 0 && open().length === 0 ? true : null),
      missing() {
        const records = open()
        if (records.length === 0) return 'no partition was assigned'
        return `${records.length} records have no outcome, the first is ${formatPosition(records[0]!)},`
      },
    },
    options,
  )
}
