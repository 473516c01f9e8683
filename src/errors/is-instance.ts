/**
 * Like `instanceof`, about something that a user's function threw: `instanceof` asks the thing for its prototype, and a proxy that was
 * revoked, or has a trap of its own, throws at that. Then it is none. Never throws.
 */
export function isInstance<T>(thing: unknown, of: abstract new (...args: never[]) => T): thing is T {
  try {
    return thing instanceof of
  } catch {
    return false
  }
}
