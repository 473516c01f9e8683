import type { Header } from '../record/index.ts'
import type { ProcessObservation, SendObservation, Telemetry } from './telemetry.ts'
import { nothingProcessed, nothingSent, noTelemetry } from './telemetry.ts'

/**
 * Whatever watches the records, from which nothing comes back: one that throws must not decide what becomes of a record. A handler is
 * called once and what it says counts, whether `run` throws before it, behind it, or calls nothing at all.
 */
export function safeTelemetry(telemetry: Telemetry): Telemetry {
  if (telemetry === noTelemetry) return telemetry
  return {
    sending(description, headers) {
      try {
        return safeSend(telemetry.sending(description, headers))
      } catch {
        return noTelemetry.sending(description, headers)
      }
    },
    processing(description) {
      try {
        return safeObservation(telemetry.processing(description))
      } catch {
        return noTelemetry.processing(description)
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

function safeObservation(observation: ProcessObservation): ProcessObservation {
  if (observation === nothingProcessed) return observation
  return {
    run: (call) => runOnce(observation, call),
    attemptFailed: (attempt, errorType) => quietly(() => observation.attemptFailed(attempt, errorType)),
    get headers() {
      return headersOf(observation)
    },
    ended: (outcome, errorType) => quietly(() => observation.ended(outcome, errorType)),
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
