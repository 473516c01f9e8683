import type { Runtime, Timer } from '../../clock/index.ts'
import type { PgClient, PgPool } from '../../database/index.ts'
import { takeClient } from '../../database/index.ts'

/** What a listener is made of. */
export interface CommitListenerOptions {
  /** Gives one of its connections for as long as it lasts. */
  readonly pool: PgPool
  /** Quoted, as SQL takes it. */
  readonly channel: string
  readonly onCommit: () => void
  readonly runtime: Pick<Runtime, 'clock'>
}

/** Commits of one moment are told once: the first at once, others after so many milliseconds. */
const TOGETHER_MS = 5
/** How often a connection that says nothing is asked whether it is still there, in milliseconds. */
const PROBE_EVERY_MS = 15_000
const FIRST_DELAY_MS = 100
const LONGEST_DELAY_MS = 5_000

/**
 * Calls back when something was committed. Notifications are lost with their connection, so each new one begins with a call.
 *
 * @returns when it listens, or could not at its first try; it goes on trying until it is closed.
 */
export async function listenForCommits(options: CommitListenerOptions): Promise<{ close(): Promise<void> }> {
  const { pool, channel, onCommit, runtime } = options
  const { clock } = runtime
  const tell = toldTogether(clock, onCommit)
  let closed = false
  let drop: (() => void) | null = null
  let retry: Timer | null = null
  let delayMs = FIRST_DELAY_MS

  const tryAgain = (): void => {
    if (closed) return
    retry?.cancel()
    retry = clock.after(delayMs, () => void open())
    delayMs = Math.min(2 * delayMs, LONGEST_DELAY_MS)
  }

  const open = async (): Promise<void> => {
    let broken = false
    let destroy: (() => void) | null = null
    const onError = (): void => {
      if (broken) return
      broken = true
      destroy?.()
      tryAgain()
    }
    try {
      const client = (await takeClient(pool, onError)) as ListeningClient
      const probe = probing(clock, client, onError)
      destroy = () => {
        probe.cancel()
        client.removeListener('notification', tell)
        client.release(true) // it listens: whoever got it next would be told too
        // Its error listener stays on: it may break once more while it ends.
      }
      if (closed || broken) return destroy()
      drop = () => {
        broken = true
        destroy!()
      }
      client.on('notification', tell)
      await client.query(`listen ${channel}`)
      delayMs = FIRST_DELAY_MS
      tell()
    } catch {
      onError()
    }
  }

  await open()
  return {
    close() {
      closed = true
      retry?.cancel()
      tell.cancel()
      drop?.()
      drop = null
      return Promise.resolve()
    },
  }
}

interface ListeningClient extends PgClient {
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'notification', listener: () => void): unknown
  removeListener(event: 'error', listener: (error: Error) => void): unknown
  removeListener(event: 'notification', listener: () => void): unknown
}

interface Telling {
  (): void
  cancel(): void
}

function toldTogether(clock: Runtime['clock'], onCommit: () => void): Telling {
  let pause: Timer | null = null
  let again = false
  const tell = (): void => {
    if (pause !== null) {
      again = true
      return
    }
    pause = clock.after(TOGETHER_MS, () => {
      pause = null
      if (!again) return
      again = false
      tell()
    })
    onCommit()
  }
  return Object.assign(tell, { cancel: () => pause?.cancel() })
}

/** A connection whose other end is gone without a word never breaks by itself: nothing is ever sent on it. */
function probing(clock: Runtime['clock'], client: PgClient, onSilence: () => void): Timer {
  let waiting = false
  return clock.every(PROBE_EVERY_MS, () => {
    if (waiting) return onSilence()
    waiting = true
    client.query('select 1').then(() => (waiting = false), onSilence)
  })
}
