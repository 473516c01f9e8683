import { z } from 'zod'
import type { Runtime } from '../../clock/index.ts'
import { MAX_TIMER_MS, systemRuntime } from '../../clock/index.ts'
import type { Consumer } from '../../consumer/index.ts'
import { describeError, HoldfastError } from '../../errors/index.ts'
import type { Position } from '../../record/index.ts'
import { formatPosition, positionOf } from '../../record/index.ts'
import type { TimeControls } from '../virtual-clock.ts'

/** How long a test waits, and by which clock. */
export interface WaitOptions {
  /**
   * An integer of 1 to 2,147,483,647 ms. Of virtual time with a virtual `runtime`.
   *
   * @defaultValue `4_000`: less than most test runners give a test, so that the error tells what was there instead
   */
  readonly timeoutMs?: number
  /** The consumer's. A `virtualRuntime` is moved on until what is waited for is there: it takes no real time. @defaultValue `systemRuntime` */
  readonly runtime?: Runtime
}

/** A record that got its outcome. */
export interface FinishedRecord {
  /** `earlier`: before the wait began, so that nobody can tell which of the others. */
  readonly outcome: 'handled' | 'duplicate' | 'parked' | 'skipped' | 'earlier'
  readonly position: Position
  /** Where the outcome tells: of `handled` and `duplicate`. */
  readonly messageId?: string
  /** Calls of the handler: of `handled`. */
  readonly attempts?: number
  /** Of `parked` and `skipped`. */
  readonly reason?: string
}

/** What a test waits for. */
export interface Wanted<T> {
  /** The call that waits, for the error. */
  readonly call: string
  /** Asked at the beginning, and after each event of the consumer: what came of it, or null while it is not there. */
  find(finished: readonly FinishedRecord[]): T | null
  /** What is missing still, for the error; no payload. */
  missing(finished: readonly FinishedRecord[]): string
}

/**
 * Listens to a consumer until what is wanted is there.
 *
 * @throws HOLDFAST_NOT_AS_EXPECTED when the time is up, or the consumer closes before; HOLDFAST_CONFIG_INVALID.
 */
export async function watchConsumer<T>(consumer: Consumer, wanted: Wanted<T>, options: WaitOptions): Promise<T> {
  const { timeoutMs = 4_000, runtime = systemRuntime } = checked(wanted.call, options)
  const { clock } = runtime
  const watch = listenTo(consumer)
  const stop = new AbortController()
  const found = new Promise<T>((resolve, reject) => {
    const look = (): void => {
      const result = wanted.find(watch.finished)
      if (result !== null) resolve(result)
    }
    const fail = (why: string): void =>
      reject(
        new HoldfastError(
          'HOLDFAST_NOT_AS_EXPECTED',
          [`${wanted.call}: ${wanted.missing(watch.finished)} ${why}`, ...watch.tell()].join('\n  '),
        ),
      )
    watch.onEvent = look
    look()
    clock.sleep(timeoutMs, stop.signal).then(
      () => fail(`within ${timeoutMs} ms`),
      () => {}, // what was waited for is there
    )
    const closed = (): void => fail('when the consumer closed')
    consumer.closed.then(closed, closed)
  })
  try {
    return await (isMovable(runtime) ? runtime.run(found, { maxMs: timeoutMs + 1 }) : found)
  } finally {
    watch.end()
    stop.abort()
  }
}

interface ConsumerWatch {
  readonly finished: readonly FinishedRecord[]
  onEvent: () => void
  /** What was there, in lines for an error. Errors by their names alone: a message can hold a payload. */
  tell(): string[]
  end(): void
}

function listenTo(consumer: Consumer): ConsumerWatch {
  const finished: FinishedRecord[] = []
  const troubles: string[] = []
  const add = (record: FinishedRecord): void => {
    finished.push({ ...record, position: positionOf(record.position) })
    watch.onEvent()
  }
  const trouble = (what: string): void => void troubles.push(what)
  const again = (): void => watch.onEvent()
  const ends = [
    consumer.listen('handled', (event) => add({ outcome: 'handled', ...event })),
    consumer.listen('duplicate', (event) => add({ outcome: 'duplicate', ...event })),
    consumer.listen('parked', ({ position, reason }) => add({ outcome: 'parked', position, reason })),
    consumer.listen('skipped', (event) => add({ outcome: 'skipped', ...event })),
    consumer.listen('committed', again),
    consumer.listen('assigned', again),
    consumer.listen('retrying', ({ position, attempt, error }) =>
      trouble(`${formatPosition(position)}: attempt ${attempt} failed: ${nameOf(error)}`),
    ),
    consumer.listen('paused', ({ reason }) => trouble(`paused: ${reason}`)),
    consumer.listen('crashed', ({ error }) => trouble(`crashed: ${error.code}`)),
  ]
  const watch: ConsumerWatch = {
    finished,
    onEvent: () => {},
    tell() {
      const { state, partitions, reasons } = consumer.health()
      const seen = finished.map(
        ({ outcome, position, reason }) =>
          `${outcome} ${formatPosition(position)}${reason === undefined ? '' : ` (${reason})`}`,
      )
      return [
        `seen meanwhile: ${seen.length === 0 ? 'nothing' : lastOf(seen).join(', ')}`,
        ...lastOf(troubles),
        `the consumer is ${state} with ${partitions.length} partitions, ${partitions.reduce((sum, { buffered }) => sum + buffered, 0)} records held`,
        ...reasons,
      ]
    },
    end: () => ends.forEach((end) => end()),
  }
  return watch
}

const MOST_TOLD = 20

function lastOf(lines: readonly string[]): string[] {
  const before = lines.length - MOST_TOLD
  return before > 0 ? [`(${before} before)`, ...lines.slice(-MOST_TOLD)] : [...lines]
}

function nameOf(error: unknown): string {
  const { name, code } = describeError(error)
  return code === undefined ? name : `${name} ${code}`
}

function isMovable(runtime: Runtime): runtime is Runtime & TimeControls {
  return 'run' in runtime && typeof runtime.run === 'function'
}

const schema = z.object({ timeoutMs: z.int().min(1).max(MAX_TIMER_MS).optional() })

function checked(call: string, options: WaitOptions): WaitOptions {
  if (schema.safeParse(options).success) return options
  const problems = [{ path: 'timeoutMs', message: `an integer from 1 to ${MAX_TIMER_MS} is needed` }]
  throw new HoldfastError('HOLDFAST_CONFIG_INVALID', `${call}: options do not fit`, { problems })
}
