import type { Admin } from 'kafkajs'
import { HoldfastError } from '../../errors/index.ts'
import type { DriverSurroundings } from '../driver.ts'
import type { Deadline } from './deadline.ts'
import { LATE } from './deadline.ts'
import type { KafkajsContext } from './kafkajs-context.ts'
import { toHoldfastError } from './kafkajs-errors.ts'
import { bridgeLogs } from './kafkajs-logs.ts'
import { controlSockets } from './socket-control.ts'

/** Asks a cluster questions that may be asked twice. */
export interface AdminClient {
  /**
   * Asks again and again, each time another broker if the last one was silent, until there is an answer.
   *
   * @param subject - what it is about, for messages
   * @param patienceMs - how long one try may take before its broker counts as hung
   * @throws HOLDFAST_UNAVAILABLE at the deadline; what the cluster refuses at once
   */
  ask<T>(subject: string, deadline: Deadline, question: (admin: Admin) => Promise<T>, patienceMs?: number): Promise<T>
  close(): Promise<void>
}

/** Makes the client; connects at the first question, and again when it has to. */
export function createAdminClient(context: KafkajsContext, { runtime, logger }: DriverSurroundings): AdminClient {
  let current: Connection | undefined
  let closed = false

  async function ask<T>(
    subject: string,
    deadline: Deadline,
    question: (admin: Admin) => Promise<T>,
    patienceMs: number = PATIENCE_MS,
  ): Promise<T> {
    let failure: HoldfastError | undefined
    for (let waitMs = 50; ; waitMs = Math.min(waitMs * 2, 1_000)) {
      if (closed) throw new HoldfastError('HOLDFAST_CLOSED', 'it is closed')
      const connection = (current ??= openConnection(context, logger))
      try {
        await runtime.failpoint('kafkajs-admin:ask')
        const call = connection.connect().then(() => question(connection.admin))
        const answer = await deadline.within(patienceMs).race(call)
        if (answer !== LATE) return answer
        connection.cut()
        if (current === connection) current = undefined
      } catch (error) {
        failure = toHoldfastError(error, 'admin', subject)
        if (failure.code !== 'HOLDFAST_UNAVAILABLE') throw failure
      }
      if (deadline.left() <= waitMs) {
        throw (
          failure ?? new HoldfastError('HOLDFAST_UNAVAILABLE', `nobody answered about ${subject}`, { retriable: true })
        )
      }
      await deadline.pause(waitMs)
    }
  }

  return {
    ask,
    async close() {
      closed = true
      await current?.admin.disconnect().catch(() => {})
      current?.cut()
    },
  }
}

interface Connection {
  readonly admin: Admin
  /** Connects once; a failure lets the next call try again. */
  connect(): Promise<void>
  cut(): void
}

function openConnection(context: KafkajsContext, logger: DriverSurroundings['logger']): Connection {
  const sockets = controlSockets(context.config.socketFactory)
  const kafka = context.newKafka({
    socketFactory: sockets.socketFactory,
    logCreator: bridgeLogs(logger, context.config),
    retry: RETRY,
  })
  const admin = kafka.admin({ retry: RETRY })
  let connecting: Promise<void> | undefined
  return {
    admin,
    connect() {
      connecting ??= admin.connect().catch((error: unknown) => {
        connecting = undefined
        throw error
      })
      return connecting
    },
    cut() {
      sockets.cut()
      admin.disconnect().catch(() => {}) // only ends its timers
    },
  }
}

/** kafkajs' own repeats inside one question: a few, since the questions themselves are repeated. */
const RETRY = { retries: 3, initialRetryTime: 50, factor: 0.2, multiplier: 2, maxRetryTime: 500 }

/** Metadata and offsets take milliseconds; connecting with TLS and SASL to a far cluster a second or two. */
const PATIENCE_MS = 5_000
