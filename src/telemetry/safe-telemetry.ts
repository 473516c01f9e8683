import type { Header } from '../record/index.ts'
import type { CreateObservation, ProcessObservation, SendObservation, Telemetry } from './telemetry.ts'
import { nothingCreated, nothingProcessed, nothingSent, noTelemetry } from './telemetry.ts'

const keepers = new WeakSet<Telemetry>([noTelemetry])

/**
 * Says of a telemetry of ours that it keeps every promise of {@link safeTelemetry} by itself, so that it is not wrapped: watching over
 * each step of each record twice has its price.
 */
export function keepsItsPromises(telemetry: Telemetry): Telemetry {
  keepers.add(telemetry)
  return telemetry
}

/**
 * Whatever watches the records, from which nothing comes back: one that throws must not decide what becomes of a record. A handler is
 * called once and what it says counts, whether `run` throws before it, behind it, or calls nothing at all.
 */
export function safeTelemetry(telemetry: Telemetry): Telemetry {
  if (keepers.has(telemetry)) return telemetry
  return {
    sending(description, headers) {
      try {
        return safeSend(telemetry.sending(description, headers))
      } catch {
        return nothingSent
      }
    },
    creating(description, headers) {
      try {
        return safeCreate(telemetry.creating(description, headers))
      } catch {
        return nothingCreated
      }
    },
    processing(description) {
      try {
        const observation = telemetry.processing(description)
        return observation === nothingProcessed ? observation : new SafeObservation(observation)
      } catch {
        return nothingProcessed
      }
    },
    relaying(read) {
      try {
        const end = telemetry.relaying?.(read) ?? ignore
        return () => quietly(end)
      } catch {
        return ignore
      }
    },
  }
}

function safeSend(observation: SendObservation): SendObservation {
  if (observation === nothingSent) return observation
  return {
    get headers() {
      return headersOf(observation)
    },
    succeeded: (partition, offset) => quietly(() => observation.succeeded(partition, offset)),
    failed: (errorType) => quietly(() => observation.failed(errorType)),
  }
}

function safeCreate(observation: CreateObservation): CreateObservation {
  if (observation === nothingCreated) return observation
  return {
    get headers() {
      return headersOf(observation)
    },
    succeeded: () => quietly(() => observation.succeeded()),
    failed: (errorType) => quietly(() => observation.failed(errorType)),
  }
}

/** A class, since there is one for each record. */
class SafeObservation implements ProcessObservation {
  readonly #observation: ProcessObservation

  constructor(observation: ProcessObservation) {
    this.#observation = observation
  }

  run<T>(call: () => T): T {
    return runOnce(this.#observation, call)
  }

  attemptFailed(attempt: number, errorType: string): void {
    quietly(() => this.#observation.attemptFailed(attempt, errorType))
  }

  get headers(): readonly Header[] {
    return headersOf(this.#observation)
  }

  ended(outcome: string, errorType?: string): void {
    quietly(() => this.#observation.ended(outcome, errorType))
  }
}

function headersOf(observation: { readonly headers: readonly Header[] }): readonly Header[] {
  try {
    return observation.headers
  } catch {
    return []
  }
}

function runOnce<T>(observation: ProcessObservation, call: () => T): T {
  let end: { readonly value: T } | { readonly thrown: unknown } | null = null
  const once = (): T => {
    if (end === null) {
      try {
        end = { value: call() }
      } catch (thrown) {
        end = { thrown }
      }
    }
    if ('thrown' in end) throw end.thrown
    return end.value
  }
  try {
    const returned: unknown = observation.run(once)
    // A promise of its own, made from the handler's: its rejection is nobody's, and would end the process.
    if (returned instanceof Promise) returned.catch(ignore)
  } catch {
    // Its own failure, or the handler's, which comes out below.
  }
  return once()
}

function quietly(call: () => void): void {
  try {
    call()
  } catch {
    // What happens to the record goes on unwatched.
  }
}

function ignore(): void {}
