import { describeError } from '../errors/index.ts'

/**
 * What can be shown of an error that a user's function threw (a validator, a key function, a codec): its class, and the line it
 * comes from. Not its message, which may hold the payload: `SyntaxError: Unexpected token … "4111-1111-…" is not valid JSON`.
 */
export function describeForeignError(thrown: unknown): string {
  const { name, message, stack } = describeError(thrown, { maxMessage: 100_000, maxStack: 200_000 })
  const kind = /^[\w.$]{1,80}$/.test(name) ? name : 'something'
  const head = `${name}: ${message}`
  if (stack === undefined || !stack.startsWith(head)) return kind // then the frames cannot be told from the message
  const frame = /^\n\s+at (?:.*[/\\(\s])?([\w.-]{1,80}:\d{1,9}:\d{1,9})\)?(?:\n|$)/.exec(stack.slice(head.length))
  return frame === null ? kind : `${kind} at ${frame[1]}`
}
