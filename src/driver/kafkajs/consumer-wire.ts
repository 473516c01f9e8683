import type { Socket } from 'node:net'
import type { ISocketFactory } from 'kafkajs'
import type { Clock } from '../../clock/index.ts'
import type { TopicPartition } from '../../record/index.ts'
import { API, apiKeyOf, identityOfSync, memberOfJoin, setMaxWait, withoutResets } from './consumer-frames.ts'
import { endWhenSilent } from './consumer-silence.ts'
import { controlSockets } from './socket-control.ts'

/** What the consumer learns from, and decides about, the requests that kafkajs is about to send. None of them may throw. */
export interface WireHooks {
  /**
   * A JoinGroup request is about to leave: with it this member gives up what it was assigned. It is held back until the
   * promise settles; `undefined` lets it go now.
   *
   * @param memberId - empty when the group has forgotten this member
   */
  beforeJoin(memberId: string): Promise<void> | undefined
  /** The same for a LeaveGroup request. */
  beforeLeave(): Promise<void> | undefined
  /** A SyncGroup request leaves: the generation that the next assignment belongs to. */
  onSync(memberId: string, generation: number): void
  /** kafkajs wanted to overwrite the group's offsets of these partitions, whose positions are not on the log. It did not. */
  onReset(partitions: readonly TopicPartition[]): void
}

/** How the wire is made. */
export interface WireOptions {
  /** The user's own `socketFactory`, wrapped, not replaced. */
  readonly userFactory: ISocketFactory | undefined
  /** How long the broker may hold a fetch back for want of data. */
  readonly maxWaitMs: number
  /** How long a broker may leave a request unanswered beyond what it may rightly wait for, before its connection is ended. */
  readonly silenceMs: number
  /** How long the group may hold a JoinGroup or a SyncGroup back for its other members. */
  readonly rebalanceTimeoutMs: number
  readonly clock: Clock
  readonly hooks: WireHooks
}

/** The sockets of one kafkajs consumer. */
export interface ConsumerWire {
  readonly socketFactory: ISocketFactory
  /** Ends every socket and refuses new ones: a kafkajs consumer that was stopped while it joined would join all the same. */
  cut(): void
}

/**
 * Puts the hooks that kafkajs lacks into its public `socketFactory` option: the moment before partitions go, the generation of
 * an assignment, and the reset of an offset that it would commit without asking.
 */
export function createConsumerWire(options: WireOptions): ConsumerWire {
  const { userFactory, maxWaitMs, silenceMs, rebalanceTimeoutMs, clock, hooks } = options
  const sockets = controlSockets(userFactory)
  const allowanceMs = (frame: unknown): number | null => {
    const api = apiKeyOf(frame)
    if (api === -1 || api === API.saslAuthenticate) return null // bounded by kafkajs' `authenticationTimeout`
    if (api === API.fetch) return maxWaitMs
    if (api === API.offsetCommit) return BROKER_COMMIT_TIMEOUT_MS
    return api === API.joinGroup || api === API.syncGroup ? rebalanceTimeoutMs : 0
  }
  return {
    socketFactory(args) {
      const socket = sockets.socketFactory(args)
      socket.on('error', () => {}) // kafkajs hears it too; without any listener a late one would end the process
      endWhenSilent(socket, { clock, limitMs: silenceMs, allowanceMs }) // first: a request that is held back has not been sent
      watch(socket, hooks, maxWaitMs)
      return socket
    },
    cut: () => sockets.cut(),
  }
}

/** For how long a broker waits until its replicas have a commit: Kafka's default of `offsets.commit.timeout.ms`. */
const BROKER_COMMIT_TIMEOUT_MS = 5_000

function watch(socket: Socket, hooks: WireHooks, maxWaitMs: number): void {
  const write = socket.write.bind(socket) as (frame: unknown, ...rest: unknown[]) => boolean
  const intercepted = (frame: unknown, ...rest: unknown[]): boolean => {
    const api = apiKeyOf(frame)
    if (api === API.fetch) setMaxWait(frame as Buffer, maxWaitMs)
    else if (api === API.syncGroup) {
      const { memberId, generation } = identityOfSync(frame as Buffer)
      hooks.onSync(memberId, generation)
    } else if (api === API.offsetCommit) {
      const emptied = withoutResets(frame as Buffer)
      if (emptied !== undefined) {
        hooks.onReset(emptied.resets)
        return write(emptied.frame, ...rest)
      }
    } else if (api === API.joinGroup || api === API.leaveGroup) {
      const held = api === API.joinGroup ? hooks.beforeJoin(memberOfJoin(frame as Buffer)) : hooks.beforeLeave()
      if (held !== undefined) {
        const release = (): void => {
          if (socket.writable) write(frame, ...rest) // closed meanwhile: kafkajs was told so and will ask again
        }
        held.then(release, release)
        return true
      }
    }
    return write(frame, ...rest)
  }
  socket.write = intercepted as Socket['write']
}
