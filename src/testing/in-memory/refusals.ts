import { HoldfastError } from '../../errors/index.ts'
import type { CommitOffset } from '../../driver/index.ts'
import type { TopicPartition } from '../../record/index.ts'
import { formatPartition, formatPosition } from '../../record/index.ts'

/** What the in-memory cluster says no with, in the codes of the driver port. */
export const refusals = {
  topicUnknown: (topic: string): HoldfastError =>
    new HoldfastError('HOLDFAST_TOPIC_UNKNOWN', `topic ${topic} does not exist`),
  partitionUnknown: (partition: TopicPartition): HoldfastError =>
    new HoldfastError('HOLDFAST_PARTITION_UNKNOWN', `${formatPartition(partition)} does not exist`),
  unreachable: (clientId: string): HoldfastError =>
    new HoldfastError('HOLDFAST_UNAVAILABLE', `the cluster cannot be reached by ${clientId}`, { retriable: true }),
  notWritable: (partition: TopicPartition): HoldfastError =>
    new HoldfastError(
      'HOLDFAST_UNAVAILABLE',
      `${formatPartition(partition)} has too few in-sync replicas; nothing was written`,
      {
        retriable: true,
      },
    ),
  unavailable: (what: string): HoldfastError =>
    new HoldfastError('HOLDFAST_UNAVAILABLE', `${what}: the cluster is not ready`, { retriable: true }),
  indeterminate: (what: string): HoldfastError =>
    new HoldfastError('HOLDFAST_INDETERMINATE', `${what}: the answer was lost`),
  /** A request or its answer was lost on the way: the caller cannot tell which. */
  lost: (clientId: string): HoldfastError =>
    passing(new HoldfastError('HOLDFAST_INDETERMINATE', `a request of ${clientId} has no answer`)),
  loading: (groupId: string): HoldfastError =>
    passing(
      new HoldfastError('HOLDFAST_UNAVAILABLE', `the coordinator of group ${groupId} is loading`, { retriable: true }),
    ),
  refused: (what: string): HoldfastError => new HoldfastError('HOLDFAST_REFUSED', what),
  tooLarge: (partition: TopicPartition, size: number, limit: number): HoldfastError =>
    new HoldfastError(
      'HOLDFAST_RECORD_TOO_LARGE',
      `${formatPartition(partition)}: a batch of ${size} bytes is over the limit of ${limit}`,
    ),
  unsupported: (what: string): HoldfastError => new HoldfastError('HOLDFAST_UNSUPPORTED', what),
  closed: (what: string): HoldfastError => new HoldfastError('HOLDFAST_CLOSED', what),
  fenced: (transactionalId: string): HoldfastError =>
    new HoldfastError('HOLDFAST_FENCED', `another producer took over the transactional id ${transactionalId}`),
  transactionAborted: (transactionalId: string): HoldfastError =>
    new HoldfastError(
      'HOLDFAST_TRANSACTION_ABORTED',
      `the transaction of ${transactionalId} is over or has failed; abort it`,
    ),
  epochLost: (offset: CommitOffset): HoldfastError =>
    new HoldfastError(
      'HOLDFAST_EPOCH_LOST',
      `commit of ${formatPosition(offset)} under epoch ${offset.epoch}: not assigned any more`,
    ),
  notAMember: (groupId: string): HoldfastError =>
    new HoldfastError('HOLDFAST_EPOCH_LOST', `group ${groupId} does not know this member in its present generation`),
  consumerCrashed: (cause: unknown): HoldfastError =>
    new HoldfastError('HOLDFAST_CONSUMER_CRASHED', 'the in-memory consumer ended by itself', {
      cause,
      retriable: HoldfastError.is(cause) ? cause.retriable : true,
    }),
} as const

const passingErrors = new WeakSet<HoldfastError>()

function passing(error: HoldfastError): HoldfastError {
  passingErrors.add(error)
  return error
}

/** May the next attempt go better, with nothing done about it? Clients repeat then, of themselves. */
export function isPassing(error: unknown): boolean {
  return HoldfastError.is(error) && passingErrors.has(error)
}
