import type { Gate } from './gate.ts'
import { createGate } from './gate.ts'
import type { Link } from './link.ts'
import type { Toxic } from './toxic.ts'

/** What does not pass. */
export interface Hole {
  /** @defaultValue both */
  readonly direction?: Direction
  /** The client whose connections are hit. @defaultValue every client */
  readonly clientId?: string
}

type Direction = 'requests' | 'responses'

/** The holes of a proxy. */
export interface Holes {
  open(hole: Hole): Toxic
  /** Waits while a hole holds this direction of the link, and rejects when the link closes meanwhile. */
  passed(direction: Direction, link: Link): Promise<void>
}

/** Makes {@link Holes} without any. */
export function createHoles(): Holes {
  const holes = new Map<Gate, Hole>()
  const holding = (direction: Direction, { clientId }: Link): Gate | undefined => {
    for (const [gate, hole] of holes) {
      if (hole.direction !== undefined && hole.direction !== direction) continue
      if (hole.clientId === undefined || hole.clientId === clientId) return gate
    }
    return undefined
  }

  return {
    open(hole) {
      const gate = createGate()
      gate.shut()
      holes.set(gate, hole)
      return {
        heal() {
          holes.delete(gate)
          gate.open()
        },
      }
    },
    async passed(direction, link) {
      for (let gate = holding(direction, link); gate !== undefined; gate = holding(direction, link)) {
        await gate.passed(link.closed)
      }
    },
  }
}
