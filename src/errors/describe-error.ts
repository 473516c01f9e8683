/** What can safely be said about something thrown: bounded, and made without trusting the thing. */
export interface ErrorDescription {
  /** The class, or the type of what was thrown when it is no error: `TypeError`, `string`, `null`. */
  readonly name: string
  readonly code?: string
  readonly message: string
  readonly stack?: string
}

/** Bounds of a description, in UTF-16 units. */
export interface DescriptionBounds {
  /** @defaultValue `1_000` */
  readonly maxMessage?: number
  /** @defaultValue `8_000` */
  readonly maxStack?: number
}

/**
 * Describes anything that a handler can throw: null, strings, objects with throwing getters, cyclic causes, a megabyte of
 * message. Never throws.
 */
export function describeError(thrown: unknown, bounds: DescriptionBounds = {}): ErrorDescription {
  const maxMessage = bounds.maxMessage ?? 1_000
  const maxStack = bounds.maxStack ?? 8_000
  if (typeof thrown === 'string') return { name: 'string', message: cut(thrown, maxMessage) }
  if (thrown === null || (typeof thrown !== 'object' && typeof thrown !== 'function')) {
    return { name: thrown === null ? 'null' : typeof thrown, message: cut(safeString(thrown), maxMessage) }
  }
  const name = text(thrown, 'name') || 'object'
  const code = text(thrown, 'code')
  const stack = text(thrown, 'stack')
  return {
    name: cut(name, 200),
    ...(code === undefined ? {} : { code: cut(code, 200) }),
    message: cut(text(thrown, 'message') ?? '', maxMessage),
    ...(stack === undefined ? {} : { stack: cut(stack, maxStack) }),
  }
}

/** A property as text; a getter that throws, or a Proxy, counts as absent. */
function text(thing: object, property: string): string | undefined {
  try {
    const value: unknown = (thing as Record<string, unknown>)[property]
    if (typeof value === 'string') return value
    return typeof value === 'number' ? String(value) : undefined
  } catch {
    return undefined
  }
}

function safeString(value: unknown): string {
  try {
    return String(value)
  } catch {
    return ''
  }
}

function cut(value: string, max: number): string {
  const bounded = value.length <= max ? value : `${value.slice(0, max - 1)}…`
  return bounded.toWellFormed() // a cut surrogate pair, or one that came broken, must still be UTF-8
}
