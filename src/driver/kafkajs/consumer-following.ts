import type { Broker, Cluster } from 'kafkajs'
import type { Beat } from './consumer-coordinator.ts'
import { MOVED } from './consumer-coordinator.ts'
import { readFailure } from './kafkajs-errors.ts'

/** The part of kafkajs' cluster that finds coordinators. */
export type CoordinatorLookup = Pick<Cluster, 'findGroupCoordinator'>

/**
 * Lets kafkajs outlive the coordinator of its group. It looks for one only when it joins: when that broker dies, each of its
 * heartbeats fails, each failure stops its fetching, and after all its retries it ends, without a leave and so without a drain.
 * The group itself has moved on with the membership intact. So from the first heartbeat that the coordinator does not answer,
 * until the next join, kafkajs hears what the adapter's own heartbeats were answered by the coordinator that is found anew; and a
 * leave goes there, too.
 *
 * @param latest - how the adapter's last heartbeat of the current assignment ended
 * @param asking - called when kafkajs begins to look for the coordinator, to join or to sync; what it returns, when that ends
 */
export function followCoordinator(cluster: CoordinatorLookup, latest: () => Beat, asking: () => () => void): void {
  const find = cluster.findGroupCoordinator.bind(cluster)
  const noted = async <T>(request: () => Promise<T>): Promise<T> => {
    const answered = asking()
    try {
      return await request()
    } finally {
      answered()
    }
  }
  cluster.findGroupCoordinator = async (group) => {
    const first = (await noted(() => find(group))) as GroupBroker
    let gone = false

    const heartbeat = async (request: unknown): Promise<unknown> => {
      try {
        if (!gone) return await first.heartbeat(request)
      } catch (error) {
        if (isAnswer(error)) throw error
        gone = true
      }
      const beat = latest()
      if (beat === 'rebalancing') throw told('REBALANCE_IN_PROGRESS')
      if (beat === 'lost') throw told('UNKNOWN_MEMBER_ID')
      return undefined // unanswered: nobody knows better, and the core knows since when
    }
    const leaveGroup = async (request: unknown): Promise<unknown> => {
      try {
        if (!gone) return await first.leaveGroup(request)
      } catch (error) {
        if (isAnswer(error)) throw error
      }
      return ((await find(group)) as GroupBroker).leaveGroup(request)
    }

    return new Proxy(first, {
      get(target, name) {
        if (name === 'heartbeat') return heartbeat
        if (name === 'leaveGroup') return leaveGroup
        if (name === 'joinGroup') return (request: unknown) => noted(() => target.joinGroup(request))
        if (name === 'syncGroup') return (request: unknown) => noted(() => target.syncGroup(request))
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
  }
}

/** kafkajs has the methods, its types do not. */
type GroupBroker = Broker & {
  heartbeat(request: unknown): Promise<unknown>
  leaveGroup(request: unknown): Promise<unknown>
  joinGroup(request: unknown): Promise<unknown>
  syncGroup(request: unknown): Promise<unknown>
}

/** Did the group say this, and not only a broken connection or a broker that is not its coordinator any more? */
function isAnswer(error: unknown): boolean {
  const { type, name } = readFailure(error)
  return type === undefined ? !name.startsWith('KafkaJS') : !MOVED.has(type)
}

/** As kafkajs makes it of the group's answer; it looks at the type alone (`consumer/runner.js:115`). */
function told(type: string): Error {
  return Object.assign(new Error(`the group answered ${type}`), { type })
}
