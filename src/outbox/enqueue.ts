import type { Runtime } from '../clock/index.ts'
import { systemRuntime } from '../clock/index.ts'
import type { Problem } from '../errors/index.ts'
import { describeError, errorTypeOf, HoldfastError } from '../errors/index.ts'
import type { CreateObservation, Telemetry } from '../telemetry/index.ts'
import { describeMessage, noTelemetry, openTelemetry, safeTelemetry, withTraceHeaders } from '../telemetry/index.ts'
import type {
  AnySendableTopic,
  EncodedMessage,
  Key,
  MessageOptions,
  MessagesToSend,
  PreparedMessage,
  SendableTopic,
  Topic,
} from '../topic/index.ts'
import {
  allOfMany,
  isPromiseLike,
  messageInvalid,
  messagesInvalid,
  noListOfMessages,
  prepareMessage,
  prepareOneOfMany,
  prepareTombstone,
  problemsOfMany,
  sourceHeader,
  topicNameOf,
} from '../topic/index.ts'
import type { OutboxStore } from './outbox-store.ts'

/** How an outbox is made. */
export interface OutboxOptions<Transaction> {
  readonly store: OutboxStore<Transaction>
  /** Names this service in the `holdfast-source` header. 1 to 200 characters. */
  readonly source: string
  /**
   * Makes a `create` span of each message; its context goes with the stored headers, and what a relay sends is a child of it.
   *
   * @defaultValue OpenTelemetry's API
   */
  readonly telemetry?: Telemetry
  /** Time, chance, ids and failpoints: for virtual clocks, simulators and crash tests. @defaultValue `systemRuntime` */
  readonly runtime?: Runtime
}

/** A message that the caller's transaction now holds. */
export interface Enqueued {
  readonly id: string
}

/**
 * Writes messages into the caller's own database transaction: a relay sends them if and only if it commits.
 *
 * **Enqueue last.** An enqueue takes a lock for each key, and holds it until the transaction has ended: others that enqueue the same key wait
 * that long. Two transactions that enqueue the same keys one by one, in different orders, end in a deadlock that the database resolves: it ends one
 * of them with its error (SQLSTATE 40P01), which comes through as it is; repeat that transaction.
 */
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
   * @throws HOLDFAST_MESSAGE_INVALID with every problem (nothing was stored); HOLDFAST_CONFIG_INVALID without an open transaction; what the
   * database says, unchanged: the transaction must then not commit.
   */
  enqueue<Input, Output>(
    transaction: Transaction,
    topic: SendableTopic<Input, Output>,
    value: Input,
    options?: MessageOptions,
  ): Promise<Enqueued>
  /**
   * Stores several messages, of one or several topics, in the order given: those of a key are sent in it. All are validated before any is
   * stored. Their locks are taken in one order, whatever the order of the messages: two such calls never deadlock each other.
   *
   * @throws as {@link Outbox.enqueue}, with every problem of every message by index and field path.
   */
  enqueueMany<const Topics extends readonly AnySendableTopic[]>(
    transaction: Transaction,
    messages: MessagesToSend<Topics>,
  ): Promise<readonly Enqueued[]>
  /** Stores a tombstone: the key without a value. @throws as {@link Outbox.enqueue} */
  enqueueTombstone<Input, Output>(
    transaction: Transaction,
    topic: Topic<Input, Output>,
    key: Key,
    options?: MessageOptions,
  ): Promise<Enqueued>
  /**
   * Does the work in one transaction of the store, committed when it resolves and rolled back when it rejects, and wakes the relay of this process
   * after the commit. It is not repeated: not after a deadlock, and not when the answer to the commit was lost.
   *
   * @throws what the work throws, and what the database says of the commit.
   */
  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>
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
  const telemetry = options.telemetry === undefined ? openTelemetry() : safeTelemetry(options.telemetry)
  const encoding = {
    ids: runtime.ids,
    clock: runtime.clock,
    source: sourceHeader(source),
    nullHeaderValue: false, // whichever driver the relay will have, not every one can send them
  }

  const listeners = new Set<() => void>()
  const tellListeners = (): void => {
    for (const listener of listeners) listener()
  }

  /**
   * Up to the store's own call nothing is waited for that does not have to be: a call that nobody awaited then stands before the caller's commit
   * in the line of the client.
   */
  const insert = async (
    transaction: Transaction,
    messages: readonly EncodedMessage[],
  ): Promise<readonly Enqueued[]> => {
    const { observations, traced } = observe(telemetry, messages)
    try {
      const stopped = runtime.failpoint('outbox:before-insert')
      if (isPromiseLike(stopped)) await stopped
      await store.insert(transaction, traced)
    } catch (error) {
      for (const each of observations) each.failed(errorTypeOf(describeError(error)))
      throw error
    }
    for (const each of observations) each.succeeded()
    tellListeners()
    return messages.map(({ id }) => ({ id }))
  }

  const insertOne = async (
    transaction: Transaction,
    topic: unknown,
    preparing: PreparedMessage | Promise<PreparedMessage>,
  ): Promise<Enqueued> => {
    const prepared = isPromiseLike(preparing) ? await preparing : preparing
    if (prepared.kind === 'invalid') throw messageInvalid(topicNameOf(topic), prepared.problems)
    const [enqueued] = await insert(transaction, [prepared.message])
    return enqueued!
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
      return insertOne(transaction, topic, prepareMessage(topic, value, each, encoding))
    },
    async enqueueMany(transaction, messages: readonly unknown[]) {
      refuseNone(transaction)
      if (!Array.isArray(messages)) throw noListOfMessages()
      const all = messages.map((message) => prepareOneOfMany(message, encoding))
      const preparing = allOfMany(all)
      const prepared = isPromiseLike(preparing) ? await preparing : preparing
      const wrong = problemsOfMany(all, prepared)
      if (wrong.length > 0) throw messagesInvalid(`of ${all.length} messages some`, wrong)
      const encoded = prepared.flatMap((each) => (each.kind === 'encoded' ? [each.message] : []))
      return encoded.length === 0 ? [] : insert(transaction, encoded)
    },
    async enqueueTombstone(transaction, topic, key, each = {}) {
      refuseNone(transaction)
      return insertOne(transaction, topic, prepareTombstone(topic, key, each, encoding))
    },
    async transaction(work) {
      const result = await store.transact(async (transaction) => {
        const done = await work(transaction)
        await runtime.failpoint('outbox:before-commit') // who dies here has stored nothing: the database rolls back
        return done
      })
      await runtime.failpoint('outbox:committed') // who dies here has committed: relays find the rows without being woken
      tellListeners()
      return result
    },
  }
}

function observe(
  telemetry: Telemetry,
  messages: readonly EncodedMessage[],
): { readonly observations: readonly CreateObservation[]; readonly traced: readonly EncodedMessage[] } {
  if (telemetry === noTelemetry) return { observations: [], traced: messages }
  const observations: CreateObservation[] = []
  const traced = messages.map((message) => {
    const observation = telemetry.creating(describeMessage(message), message.headers)
    observations.push(observation)
    const { headers } = observation
    return headers.length === 0 ? message : { ...message, headers: withTraceHeaders(message.headers, headers) }
  })
  return { observations, traced }
}

// Stored outside a transaction, a message would be sent for a change that is rolled back.
function refuseNone(transaction: unknown): void {
  if (transaction !== undefined && transaction !== null) return
  throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'enqueue needs the transaction that the message belongs to')
}

function problemsOf<Transaction>(options: OutboxOptions<Transaction>): readonly Problem[] {
  const { store, source, telemetry } = (options ?? {}) as Partial<OutboxOptions<Transaction>>
  const problems: Problem[] = []
  if (typeof store?.insert !== 'function')
    problems.push({ path: 'store', message: 'must be an OutboxStore: it has no insert' })
  if (typeof source !== 'string' || source === '' || source.length > 200 || !source.isWellFormed()) {
    problems.push({ path: 'source', message: 'must be well-formed text of 1 to 200 characters' })
  }
  if (telemetry !== undefined && typeof telemetry?.creating !== 'function')
    problems.push({ path: 'telemetry', message: 'must be a Telemetry: it has no creating' })
  return problems
}
