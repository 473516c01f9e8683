import type { ProcessObservation, Telemetry } from 'holdfast'

/** Knows which records are being processed. */
export interface UnderWay {
  /** Sees what another telemetry sees. */
  through(telemetry: Telemetry): Telemetry
  /** Resolves when all that is under way now has ended, with how many records that were. What begins later is not waited for. */
  ended(): Promise<number>
}

/** Makes an {@link UnderWay} of nothing. */
export function watchUnderWay(): UnderWay {
  const open = new Map<ProcessObservation, { readonly ended: Promise<void>; readonly end: () => void }>()
  return {
    through: (telemetry) => ({
      sending: (description, headers) => telemetry.sending(description, headers),
      creating: (description, headers) => telemetry.creating(description, headers),
      processing(description) {
        const inner = telemetry.processing(description)
        const observation: ProcessObservation = {
          get headers() {
            return inner.headers
          },
          run: (call) => inner.run(call),
          attemptFailed: (attempt, errorType) => inner.attemptFailed(attempt, errorType),
          ended(outcome, errorType) {
            inner.ended(outcome, errorType)
            open.get(observation)?.end()
            open.delete(observation)
          },
        }
        let end!: () => void
        const ended = new Promise<void>((resolve) => (end = resolve))
        open.set(observation, { ended, end })
        return observation
      },
    }),
    async ended() {
      const now = [...open.values()]
      await Promise.all(now.map(({ ended }) => ended))
      return now.length
    },
  }
}
