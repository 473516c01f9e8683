import { setTimeout as sleep } from 'node:timers/promises'

const AGAIN_MS = 500
const WITHIN_MS = 30_000

/** Asks again when the answer fails: leaders may be moving still, and kafkajs' admin client gives up at the first that has moved. */
export async function patiently<T>(ask: () => Promise<T>, withinMs: number = WITHIN_MS): Promise<T> {
  const deadline = performance.now() + withinMs
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (performance.now() > deadline) throw error
      await sleep(AGAIN_MS)
    }
  }
}
