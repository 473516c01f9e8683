import { constants } from 'node:os'
import type { Clock } from '../clock/index.ts'
import { MAX_TIMER_MS, systemClock } from '../clock/index.ts'
import type { Problem } from '../errors/index.ts'
import { describeForLog, HoldfastError } from '../errors/index.ts'
import type { Logger } from '../logger/index.ts'
import { safeLogger, silentLogger } from '../logger/index.ts'

/** Something that can be closed: a consumer, a producer, an HTTP server behind a function. */
export interface Closable {
  close(): unknown
}

/** How a process ends at a signal. */
export interface CloseOnSignalsOptions {
  /** Which signals. One or more. @defaultValue `['SIGTERM', 'SIGINT']` */
  readonly signals?: readonly NodeJS.Signals[]
  /**
   * How long everything together may take to close: more than `drainTimeoutMs` and a commit, and less than what the platform leaves
   * between SIGTERM and SIGKILL, so that the exit code and the log still tell. An integer of 1 to 2,147,483,647 ms.
   *
   * @defaultValue `25_000`: Kubernetes leaves 30 s unless told otherwise
   */
  readonly timeoutMs?: number
  /** What the process exits with when everything has closed. An integer of 0 to 255. @defaultValue `0` */
  readonly exitCode?: number
  /** @defaultValue silent */
  readonly logger?: Logger
}

const DEFAULT_SIGNALS: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT']
const TIMEOUT_MS = 25_000

/** One Ctrl-C reaches a process twice within milliseconds when its parent, such as `npm start`, passes on what the terminal gives to both. */
const SAME_SIGNAL_MS = 500

/**
 * Closes everything at the first signal, one after the other as given, those in an inner array together, and then ends the process.
 * Consumers come first: what they drain may still send.
 *
 * ```ts
 * closeOnSignals([[inventory, payments], producer, { close: () => pool.end() }], { logger })
 * ```
 *
 * The process exits with `exitCode`, 0, when all have closed; with 1 when the time is up, a close has failed, or a producer reports sends
 * that were not confirmed: the others are closed all the same. A second signal ends it at once, with 128 and the signal's number; nothing
 * further is committed or sent then, and what was under way is handled again by the next owner, as after a crash. The same signal within half
 * a second of the first is taken for the first: a parent such as `npm start` passes on a Ctrl-C that the process has had from the terminal.
 *
 * @returns a function that takes the listeners off again; a close under way goes on, and ends the process all the same.
 * @throws HOLDFAST_CONFIG_INVALID, listing every problem.
 */
export function closeOnSignals(
  closables: readonly (Closable | readonly Closable[])[],
  options: CloseOnSignalsOptions = {},
): () => void {
  const { signals = DEFAULT_SIGNALS, timeoutMs = TIMEOUT_MS, exitCode = 0 } = options
  refuseUnfit(closables, { signals, timeoutMs, exitCode })
  const logger = safeLogger(options.logger ?? silentLogger) // one that throws must keep nothing from being closed
  let first: { readonly signal: NodeJS.Signals; readonly at: number } | null = null

  const onSignal = (signal: NodeJS.Signals): void => {
    const now = systemClock.monotonic()
    if (first !== null) {
      if (signal === first.signal && now - first.at < SAME_SIGNAL_MS) return
      logger.error({ signal }, 'a second signal: the process ends at once')
      process.exit(128 + constants.signals[signal])
    }
    first = { signal, at: now }
    process.exitCode = 1 // should it end before all have closed: nothing else may be left that keeps it alive
    logger.info({ signal, timeoutMs }, 'closing')
    void closeWithin(closables, timeoutMs, systemClock, logger).then((isClean) => process.exit(isClean ? exitCode : 1))
  }

  const listened = new Set(signals)
  for (const signal of listened) process.on(signal, onSignal)
  return () => {
    for (const signal of listened) process.off(signal, onSignal)
  }
}

/** True when all have closed in time. */
async function closeWithin(
  closables: readonly (Closable | readonly Closable[])[],
  timeoutMs: number,
  clock: Clock,
  logger: Logger,
): Promise<boolean> {
  const done = new AbortController()
  // A sleep keeps the process alive until then, which a timer would not.
  const late = clock.sleep(timeoutMs, done.signal).then(
    () => null,
    () => null,
  )
  const closed = await Promise.race([closeInOrder(closables, logger), late])
  done.abort()
  if (closed === null) logger.error({ timeoutMs }, 'not everything has closed in time: the process ends without it')
  else if (closed) logger.info({}, 'everything has closed')
  return closed ?? false
}

async function closeInOrder(closables: readonly (Closable | readonly Closable[])[], logger: Logger): Promise<boolean> {
  let isClean = true
  for (const each of closables) {
    const closed = await Promise.all(
      isGroup(each) ? each.map((one) => closeOne(one, logger)) : [closeOne(each, logger)],
    )
    if (closed.includes(false)) isClean = false
  }
  return isClean
}

async function closeOne(closable: Closable, logger: Logger): Promise<boolean> {
  try {
    const unconfirmed = unconfirmedOf(await closable.close())
    if (unconfirmed > 0) logger.error({ unconfirmed }, 'a producer has closed with sends that were not confirmed')
    return unconfirmed === 0
  } catch (thrown) {
    logger.error({ error: describeForLog(thrown) }, 'a close has failed; the others are closed all the same')
    return false
  }
}

/** How many sends a producer's close gave up; by shape, since anything may be closed here. */
function unconfirmedOf(report: unknown): number {
  if (typeof report !== 'object' || report === null || !('unconfirmed' in report)) return 0
  return Array.isArray(report.unconfirmed) ? report.unconfirmed.length : 0
}

function isGroup(given: Closable | readonly Closable[]): given is readonly Closable[] {
  return Array.isArray(given)
}

function refuseUnfit(
  closables: readonly (Closable | readonly Closable[])[],
  { signals, timeoutMs, exitCode }: Required<Pick<CloseOnSignalsOptions, 'signals' | 'timeoutMs' | 'exitCode'>>,
): void {
  const problems: Problem[] = []
  const refuse = (path: string, message: string): void => void problems.push({ path, message })
  if (!Array.isArray(closables)) refuse('closables', 'must be an array')
  else {
    closables.flat().forEach((each: unknown, i) => {
      const closes = typeof each === 'object' && each !== null && typeof Reflect.get(each, 'close') === 'function'
      if (!closes) refuse(`closables.${i}`, 'must have a close()')
    })
  }
  if (!Array.isArray(signals) || signals.length === 0) refuse('signals', 'must name one signal or more')
  else {
    for (const name of signals as readonly string[]) {
      const catchable = name in constants.signals && name !== 'SIGKILL' && name !== 'SIGSTOP'
      if (!catchable) refuse('signals', 'must be signals that a process can listen for')
    }
  }
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > MAX_TIMER_MS)
    refuse('timeoutMs', `must be an integer of 1 to ${MAX_TIMER_MS}`)
  if (!Number.isInteger(exitCode) || exitCode < 0 || exitCode > 255)
    refuse('exitCode', 'must be an integer of 0 to 255')
  if (problems.length > 0)
    throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'closeOnSignals: options do not fit', { problems })
}
