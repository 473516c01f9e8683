import { describeError } from './describe-error.ts'
import type { ErrorDescription } from './describe-error.ts'
import { HoldfastError } from './holdfast-error.ts'

/**
 * What can be shown of an error that a user's function threw (a handler, a validator, a codec): its class, and the line it comes from.
 * Not its message, which may hold the payload: `SyntaxError: Unexpected token … "4111-1111-…" is not valid JSON`.
 */
export function describeForeignError(thrown: unknown): string {
  const { name, message, stack } = describeError(thrown, { maxMessage: 100_000, maxStack: 200_000 })
  const kind = /^[\w.$]{1,80}$/.test(name) ? name : 'something'
  const head = `${name}: ${message}`
  if (stack === undefined || !stack.startsWith(head)) return kind // then the frames cannot be told from the message
  const frame = /^\n\s+at (?:.*[/\\(\s])?([\w.-]{1,80}:\d{1,9}:\d{1,9})\)?(?:\n|$)/.exec(stack.slice(head.length))
  return frame === null ? kind : `${kind} at ${frame[1]}`
}

/**
 * What a log line may hold of something thrown: all of an error of ours, which names places and never values; of anything else its class
 * and its line ({@link describeForeignError}), and its code where that is a word.
 */
export function describeForLog(
  thrown: unknown,
): ErrorDescription | { readonly thrown: string; readonly code?: string } {
  if (HoldfastError.is(thrown)) return describeError(thrown)
  const { code } = describeError(thrown)
  return { thrown: describeForeignError(thrown), ...(isWord(code) ? { code } : {}) }
}

/**
 * The kind of an error, for spans and sentences: its code, else its class. `something` where neither is a word: anybody can put a payload,
 * or a line break that forges a log line, into either.
 */
export function errorTypeOf({ code, name }: Pick<ErrorDescription, 'code' | 'name'>): string {
  return [code, name].find(isWord) ?? 'something'
}

/** As codes and classes are: `ECONNREFUSED`, `auth/user-disabled`, `42P01`, `14`. */
function isWord(text: string | undefined): text is string {
  return text !== undefined && (/^[A-Za-z_$][\w$.:/-]{0,79}$/.test(text) || /^-?\w{1,6}$/.test(text))
}
