import type { DeadLetter, DeadLettersOptions } from '../dlq/index.ts'
import { deadLetters } from '../dlq/index.ts'
import { HoldfastError } from '../errors/index.ts'
import { formatPosition } from '../record/index.ts'
import type { ClusterOrDriver } from './in-memory/index.ts'
import { clusterOf } from './in-memory/index.ts'

/** What a failing assertion shows. */
export interface DeadLetterAssertionOptions extends DeadLettersOptions {
  /** Errors' messages and values as text too: they can hold what must not get into a log. @defaultValue `false` */
  readonly showPayloads?: boolean
}

/** What a dead letter is to be like; what is left out may be anything. */
export interface DeadLetterMatch {
  readonly messageId?: string
  /** One of `ParkReason`. */
  readonly reason?: string
  readonly attempts?: number
  /** Of the error's class. */
  readonly errorName?: string
  readonly errorCode?: string
  /** Part of the error's message; for `park(reason)`, of the reason. */
  readonly errorMessage?: string
  readonly groupId?: string
}

/**
 * The dead letters of a topic, by partition, in the order in which they were parked.
 *
 * @param topic - the source, or its name
 * @throws HOLDFAST_TOPIC_UNKNOWN when there is no dead letter topic; HOLDFAST_NOT_AS_EXPECTED when something else stands there.
 */
export function deadLettersOf(
  from: ClusterOrDriver,
  topic: string | { readonly name: string },
  options: DeadLettersOptions = {},
): readonly DeadLetter[] {
  const { name, readRecord } = deadLetters(nameOf(topic), options)
  return clusterOf(from)
    .records(name)
    .map((record) => {
      const entry = readRecord(record)
      if (entry.kind === 'dead-letter') return entry
      throw notAsExpected(`${formatPosition(record)} is no dead letter: it does not say where it came from`)
    })
}

/**
 * Holds that nothing was parked.
 *
 * @throws HOLDFAST_NOT_AS_EXPECTED, listing each dead letter; without payloads unless they are asked for. And what {@link deadLettersOf} throws.
 */
export function expectNoDeadLetters(
  from: ClusterOrDriver,
  topic: string | { readonly name: string },
  options: DeadLetterAssertionOptions = {},
): void {
  const letters = deadLettersOf(from, topic, options)
  if (letters.length > 0)
    throw notAsExpected(`${nameOf(topic)} has dead letters, and none were expected`, letters, options)
}

/**
 * Holds that exactly one record like this was parked, and answers with it.
 *
 * @throws HOLDFAST_NOT_AS_EXPECTED when there is none, or more than one, listing those that are there; without payloads unless they are asked for.
 * And what {@link deadLettersOf} throws.
 */
export function expectDeadLetter(
  from: ClusterOrDriver,
  topic: string | { readonly name: string },
  match: DeadLetterMatch = {},
  options: DeadLetterAssertionOptions = {},
): DeadLetter {
  const letters = deadLettersOf(from, topic, options)
  const found = letters.filter((letter) => fits(letter, match))
  if (found.length === 1) return found[0]!
  const asked = Object.keys(match).join(', ')
  const wanted = `one dead letter of ${nameOf(topic)}${asked === '' ? '' : ` that fits in ${asked}`}`
  throw notAsExpected(`${wanted} was expected, and there are ${found.length}`, letters, options)
}

const nameOf = (topic: string | { readonly name: string }): string => (typeof topic === 'string' ? topic : topic.name)

function fits({ messageId, reason, attempts, error, groupId }: DeadLetter, match: DeadLetterMatch): boolean {
  const is = (actual: unknown, wanted: unknown): boolean => wanted === undefined || actual === wanted
  return (
    is(messageId, match.messageId) &&
    is(reason, match.reason) &&
    is(attempts, match.attempts) &&
    is(error?.name, match.errorName) &&
    is(error?.code, match.errorCode) &&
    is(groupId, match.groupId) &&
    (match.errorMessage === undefined || (error?.message.includes(match.errorMessage) ?? false))
  )
}

function notAsExpected(
  message: string,
  letters: readonly DeadLetter[] = [],
  { showPayloads = false }: DeadLetterAssertionOptions = {},
): HoldfastError {
  const problems = letters.map(({ origin, reason, attempts, error, value }) => {
    const code = error?.code === undefined ? '' : ` ${error.code}`
    const parts = [
      `${reason} after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`,
      `${error?.name ?? 'no error'}${code}`,
    ]
    if (showPayloads) parts.push(error?.message ?? '', value === null ? 'null' : Buffer.from(value).toString())
    return { path: formatPosition(origin), message: parts.join(': ') }
  })
  return new HoldfastError('HOLDFAST_NOT_AS_EXPECTED', message, { problems })
}
