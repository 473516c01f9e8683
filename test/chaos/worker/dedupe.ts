import { Redis } from 'ioredis'
import pg from 'pg'
import type { SubscriptionOptions } from '../../../src/consumer/index.ts'
import { HoldfastError } from '../../../src/errors/index.ts'
import type { DedupeStore, Inbox } from '../../../src/idempotency/index.ts'
import { memoryDedupeStore } from '../../../src/idempotency/index.ts'
import { postgresDedupeStore, postgresInbox } from '../../../src/postgres.ts'
import { redisDedupeStore } from '../../../src/idempotency/redis/index.ts'
import type { EventBody, Journal } from '../history/index.ts'
import type { ConsumerConfig } from './worker-config.ts'

/** By what a worker recognises duplicates, and what it has opened for that. */
export interface OpenDedupe {
  readonly options: Pick<SubscriptionOptions, 'dedupe' | 'inbox'>
  close(): Promise<void>
}

/** What an inbox needs beside one connection for each handler. */
const SPARE = 2
/** What holds no transaction needs few. */
const STORE_CONNECTIONS = 4
/** What a worker's connections are called in the database: faults hit them by it. */
export const APPLICATION = 'chaos-worker'

/** Opens what the configuration names, as a service would. What its calls come to is written down. */
export function openDedupe({ dedupe, group, consumer }: ConsumerConfig, journal: Journal): OpenDedupe {
  const tell = (body: Omit<StoreEvent, 'f' | 'group'>): void => journal.write({ f: 'store', group, ...body })
  switch (dedupe.kind) {
    case 'none':
      return { options: {}, close: async () => {} }
    case 'memory':
      return { options: { dedupe: { store: memoryDedupeStore() } }, close: async () => {} }
    case 'redis': {
      // Without its own look whether the server has loaded its data, what the server says of that reaches the store.
      const client = new Redis(dedupe.url, { maxRetriesPerRequest: 1, enableReadyCheck: false })
      client.on('error', () => undefined) // connections break: that is what all this is about
      const store = journalingStore(redisDedupeStore(client), tell)
      return { options: { dedupe: { store, leaseMs: dedupe.leaseMs } }, close: async () => client.disconnect() }
    }
    case 'postgres': {
      const pool = openPool(dedupe.url, STORE_CONNECTIONS)
      const inner = postgresDedupeStore(pool)
      const store = journalingStore(inner, tell)
      return {
        options: { dedupe: { store, leaseMs: dedupe.leaseMs } },
        async close() {
          await inner.close()
          await pool.end()
        },
      }
    }
    case 'inbox': {
      const pool = openPool(dedupe.url, consumer.concurrency! + SPARE)
      const { isolation } = dedupe
      const inner = postgresInbox(pool, isolation === undefined ? {} : { isolation })
      return {
        // The one handler here serves every kind of dedupe: it knows itself what it is given.
        options: { inbox: journalingInbox(inner, tell) as Inbox<unknown> as Inbox<undefined> },
        async close() {
          await inner.close()
          await pool.end()
        },
      }
    }
  }
}

function openPool(connectionString: string, max: number): pg.Pool {
  const pool = new pg.Pool({ connectionString, max, application_name: APPLICATION, connectionTimeoutMillis: 5_000 })
  pool.on('error', () => undefined) // a broken idle connection is replaced at its next use
  return pool
}

type StoreEvent = Extract<EventBody, { readonly f: 'store' }>
type Tell = (body: Omit<StoreEvent, 'f' | 'group'>) => void

function journalingStore(store: DedupeStore, tell: Tell): DedupeStore {
  const values = new Map<string, string>() // by token
  const valueOf = (token: string): string => values.get(token) ?? token
  const told = async <T>(operation: StoreEvent['operation'], value: string, call: () => T | Promise<T>): Promise<T> => {
    try {
      return await call()
    } catch (error) {
      if (isOut(error)) tell({ operation, value, result: 'failed', code: codeOf(error) })
      throw error
    }
  }
  return {
    ...store,
    async begin(id, options) {
      const value = messageIdIn(id)
      const begun = await told('begin', value, () => store.begin(id, options))
      if (begun.kind === 'started') values.set(begun.token, value)
      return begun
    },
    async complete(token, outcome) {
      const value = valueOf(token)
      await told('complete', value, () => store.complete(token, outcome))
      tell({ operation: 'complete', value, result: 'ok' })
      values.delete(token)
    },
    async abandon(token, failedAttempts) {
      await told('abandon', valueOf(token), () => store.abandon(token, failedAttempts))
      values.delete(token)
    },
    renew: (token, leaseMs) => told('renew', valueOf(token), () => store.renew(token, leaseMs)),
  }
}

function journalingInbox<Tx>(inbox: Inbox<Tx>, tell: Tell): Inbox<Tx> {
  return {
    ...inbox,
    async handle(call, work) {
      const [message] = call.messages
      const value = messageIdIn(message!.id)
      let tries = 0
      try {
        const result = await inbox.handle(call, (tx, fresh) => {
          tries++
          return work(tx, fresh)
        })
        const isOwn = result.done.get(message!)?.own === true
        if (isOwn) tell({ operation: 'handle', value, result: 'own', tries })
        else if (tries > 1) tell({ operation: 'handle', value, result: 'ok', tries })
        return result
      } catch (error) {
        if (isOut(error)) tell({ operation: 'handle', value, result: 'failed', code: codeOf(error), tries })
        throw error
      }
    },
  }
}

function isOut(error: unknown): boolean {
  return HoldfastError.is(error, 'HOLDFAST_STORE_UNAVAILABLE')
}

/** What lies beneath: PostgreSQL's code, the system's, or the word that Redis' answer begins with; ours where nothing does. */
function codeOf(error: unknown): string {
  const { cause } = error as Error
  if (cause === undefined) return (error as HoldfastError).code
  const { code, message = '' } = cause as { readonly code?: unknown; readonly message?: string }
  return typeof code === 'string' ? code : (/^[A-Z]{4,}/.exec(message)?.[0] ?? 'connection')
}

/** The last part of a `dedupeId`. */
function messageIdIn(id: string): string {
  return String((JSON.parse(id) as readonly unknown[]).at(-1))
}
