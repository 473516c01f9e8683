/** A fault that waits for its frames. */
export interface ArmedFault {
  /** Frames it will still hit. */
  readonly remaining: number
  /** Resolves when it has hit all of them; stays open for ever when disarmed before. */
  readonly spent: Promise<void>
  /** Takes it back: no further frame is hit. */
  disarm(): void
}

/** What a fault does to the frames of one api key. */
export interface Fault {
  readonly kind: 'swallow' | 'delayResponses' | 'delayRequests'
  readonly apiKey: number
  readonly ms: number
  readonly connection: 'reset' | 'open'
  /** Hits only frames of this client; every client's when left out. */
  readonly clientId?: string | undefined
}

/** The faults of a proxy. */
export interface ArmedFaults {
  arm(fault: Fault, count: number): ArmedFault
  /** The fault that hits this frame, if any; it has one less to hit then. */
  strike(kind: Fault['kind'], apiKey: number, clientId: string | null): Fault | undefined
}

/** Makes {@link ArmedFaults} without any. */
export function createArmedFaults(): ArmedFaults {
  const faults: { readonly fault: Fault; readonly spent: () => void; remaining: number }[] = []
  return {
    arm(fault, count) {
      if (!Number.isInteger(count) || count < 1) {
        throw new RangeError(`a fault's count is a whole number of 1 or more, not ${count}`)
      }
      let resolveSpent = (): void => undefined
      const spent = new Promise<void>((resolve) => (resolveSpent = resolve))
      const armed = { fault, spent: resolveSpent, remaining: count }
      faults.push(armed)
      return {
        get remaining() {
          return faults.includes(armed) ? armed.remaining : 0
        },
        spent,
        disarm() {
          if (faults.includes(armed)) faults.splice(faults.indexOf(armed), 1)
        },
      }
    },
    strike(kind, apiKey, clientId) {
      const armed = faults.find(
        ({ fault }) =>
          fault.kind === kind &&
          fault.apiKey === apiKey &&
          (fault.clientId === undefined || fault.clientId === clientId),
      )
      if (armed === undefined) return undefined
      armed.remaining -= 1
      if (armed.remaining === 0) {
        faults.splice(faults.indexOf(armed), 1)
        armed.spent()
      }
      return armed.fault
    },
  }
}
