import net from 'node:net'
import type { Socket } from 'node:net'
import type { ISocketFactory } from 'kafkajs'

/** Makes kafkajs consumers end by themselves: the broker refuses their heartbeat for a reason that kafkajs does not repeat over. */
export interface HeartbeatSpoiler {
  readonly socketFactory: ISocketFactory
  /** Spoils the heartbeats of this group, until somebody joins it. */
  spoil(groupId: string): void
}

/** Makes a {@link HeartbeatSpoiler}. */
export function createHeartbeatSpoiler(): HeartbeatSpoiler {
  const spoiled = new Set<string>()
  return {
    socketFactory({ host, port, onConnect }) {
      const socket = net.connect({ host, port }, onConnect)
      const write = socket.write.bind(socket) as (frame: unknown, ...rest: unknown[]) => boolean
      const spoiling = (frame: unknown, ...rest: unknown[]): boolean => {
        const group = groupOf(frame)
        if (group?.api === JOIN_GROUP) spoiled.delete(group.name)
        const spoils = group?.api === HEARTBEAT && spoiled.has(group.name)
        return write(spoils ? withoutGroup(frame as Buffer, group) : frame, ...rest)
      }
      socket.write = spoiling as Socket['write']
      return socket
    },
    spoil: (groupId) => void spoiled.add(groupId),
  }
}

interface GroupField {
  readonly api: number
  readonly at: number
  readonly name: string
}

const JOIN_GROUP = 11
const HEARTBEAT = 12

/** Both requests begin with the group id. */
function groupOf(frame: unknown): GroupField | undefined {
  if (!Buffer.isBuffer(frame) || frame.length < 16) return undefined
  const api = frame.readInt16BE(4)
  if (api !== JOIN_GROUP && api !== HEARTBEAT) return undefined
  const at = 14 + frame.readInt16BE(12) // behind size, API key, version, correlation id, and the client id
  return { api, at, name: frame.toString('utf8', at + 2, at + 2 + frame.readInt16BE(at)) }
}

/** Without a group id the broker answers INVALID_GROUP_ID, after which kafkajs ends the consumer. */
function withoutGroup(frame: Buffer, { at, name }: GroupField): Buffer {
  const spoiled = Buffer.concat([
    frame.subarray(0, at),
    Buffer.alloc(2),
    frame.subarray(at + 2 + Buffer.byteLength(name)),
  ])
  spoiled.writeInt32BE(spoiled.length - 4, 0)
  return spoiled
}
