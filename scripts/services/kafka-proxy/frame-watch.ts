import type { RequestHeader } from '../kafka-frames.ts'

/** Counts frames by api key and tells who waits for the next. */
export interface FrameWatch {
  saw(header: RequestHeader): void
  count(apiKey: number): number
  next(apiKey: number): Promise<RequestHeader>
}

/** Makes a {@link FrameWatch} that has seen nothing. */
export function createFrameWatch(): FrameWatch {
  const counts = new Map<number, number>()
  const waiters = new Map<number, ((header: RequestHeader) => void)[]>()
  return {
    saw(header) {
      counts.set(header.apiKey, (counts.get(header.apiKey) ?? 0) + 1)
      const waiting = waiters.get(header.apiKey) ?? []
      waiters.delete(header.apiKey)
      for (const tell of waiting) tell(header)
    },
    count: (apiKey) => counts.get(apiKey) ?? 0,
    next: (apiKey) => new Promise((resolve) => waiters.set(apiKey, [...(waiters.get(apiKey) ?? []), resolve])),
  }
}
