import type { ArmedFault } from './armed-faults.ts'

/** Bytes that may pass before something is cut. Unlimited at first. */
export interface ByteBudget {
  set(bytes: number): ArmedFault
  /** How many of these bytes may pass. One that gets fewer than it asked for is the one that is cut: the budget is over then. */
  take(bytes: number): number
}

/** Makes a {@link ByteBudget}. */
export function createByteBudget(): ByteBudget {
  let current: { left: number; readonly spent: () => void } | null = null
  return {
    set(bytes) {
      if (!Number.isInteger(bytes) || bytes < 0) throw new RangeError(`a whole number from 0 is needed, not ${bytes}`)
      let resolveSpent = (): void => undefined
      const spent = new Promise<void>((resolve) => (resolveSpent = resolve))
      const mine = { left: bytes, spent: resolveSpent }
      current = mine
      return {
        get remaining() {
          return current === mine ? 1 : 0
        },
        spent,
        disarm() {
          if (current === mine) current = null
        },
      }
    },
    take(bytes) {
      if (current === null) return bytes
      if (bytes <= current.left) {
        current.left -= bytes
        return bytes
      }
      const { left, spent } = current
      current = null
      spent()
      return left
    },
  }
}
