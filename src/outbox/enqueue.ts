import type { Runtime } from '../clock/index.ts'
import { systemRuntime } from '../clock/index.ts'
import type { Problem } from '../errors/index.ts'
import { HoldfastError } from '../errors/index.ts'
import type { AnyTopic, Key, MessageOptions, PreparedMessage, SendableTopic, Topic } from '../topic/index.ts'
import { messageInvalid, prepareMessage, prepareTombstone, sourceHeader } from '../topic/index.ts'
import type { OutboxStore } from './outbox-store.ts'

/** How an outbox is made. */
export interface OutboxOptions<Transaction> {
  readonly store: OutboxStore<Transaction>
  /** Names this service in the `holdfast-source` header. 1 to 200 characters. */
  readonly source: string
  /** Time, chance, ids and failpoints: for virtual clocks, simulators and crash tests. @defaultValue `systemRuntime` */
  readonly runtime?: Runtime
}

/** A message that the caller's transaction now holds. */
export interface Enqueued {
  readonly id: string
}

/** Writes messages into the caller's own database transaction: a relay sends them if and only if it commits. */
export interface Outbox<Transaction> {
  /** Where it keeps its messages. */
  readonly store: OutboxStore<Transaction>
  /**
   * Calls back after each message that was stored, whose transaction may not have committed yet, and after each commit of
   * {@link Outbox.transaction}: a relay in the same process looks then.
   *
   * @returns what ends it.
   */
  onEnqueued(listener: () => void): () => void
  /**
   * Validates, keys and encodes one message, as `send` does, and stores its final bytes. Await it before the commit.
   *
   * @throws HOLDFAST_MESSAGE_INVALID with every problem (nothing was stored); HOLDFAST_CONFIG_INVALID without a transaction; what the
   * store throws.
   */
  enqueue<Input, Output>(
    transaction: Transaction,
    topic: SendableTopic<Input, Output>,
    value: Input,
    options?: MessageOptions,
  ): Promise<Enqueued>
  /** Stores a tombstone: the key without a value. @throws as {@link Outbox.enqueue} */
  enqueueTombstone<Input, Output>(
    transaction: Transaction,
    topic: Topic<Input, Output>,
    key: Key,
    options?: MessageOptions,
  ): Promise<Enqueued>
}

/**
 * Makes an outbox.
 *
 * @throws HOLDFAST_CONFIG_INVALID with every problem.
 */
export function createOutbox<Transaction>(options: OutboxOptions<Transaction>): Outbox<Transaction> {
  const problems = problemsOf(options)
  if (problems.length > 0) throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'the outbox cannot be made', { problems })
  const { store, source, runtime = systemRuntime } = options
  const encoding = {
    ids: runtime.ids,
    clock: runtime.clock,
    source: sourceHeader(source),
    nullHeaderValue: false, // whichever driver the relay will have, not every one can send them
  }

  const listeners = new Set<() => void>()

  const insert = async (transaction: Transaction, topic: AnyTopic, prepared: PreparedMessage): Promise<Enqueued> => {
    if (prepared.kind === 'invalid') throw messageInvalid(topic.name, prepared.problems)
    await runtime.failpoint('outbox:before-insert')
    await store.insert(transaction, [prepared.message])
    for (const listener of listeners) listener()
    return { id: prepared.message.id }
  }

  return {
    store,
    onEnqueued(listener) {
      const own = (): void => listener() // the same function may be given twice
      listeners.add(own)
      return () => void listeners.delete(own)
    },
    async enqueue(transaction, topic, value, each = {}) {
      refuseNone(transaction)
      return insert(transaction, topic, await prepareMessage(topic, value, each, encoding))
    },
    async enqueueTombstone(transaction, topic, key, each = {}) {
      refuseNone(transaction)
      return insert(transaction, topic, prepareTombstone(topic, key, each, encoding))
    },
  }
}

// Stored outside a transaction, a message would be sent for a change that is rolled back.
function refuseNone(transaction: unknown): void {
  if (transaction !== undefined && transaction !== null) return
  throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'enqueue needs the transaction that the message belongs to')
}

function problemsOf<Transaction>(options: OutboxOptions<Transaction>): readonly Problem[] {
  const { store, source } = (options ?? {}) as Partial<OutboxOptions<Transaction>>
  const problems: Problem[] = []
  if (typeof store?.insert !== 'function')
    problems.push({ path: 'store', message: 'must be an OutboxStore: it has no insert' })
  if (typeof source !== 'string' || source === '' || source.length > 200 || !source.isWellFormed()) {
    problems.push({ path: 'source', message: 'must be well-formed text of 1 to 200 characters' })
  }
  return problems
}
