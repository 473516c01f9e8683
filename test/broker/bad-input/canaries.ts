/** Made-up secrets and personal data: wherever one of them shows up in a text, that text has told too much. */
export const CANARIES = {
  /** In values of messages. */
  card: '4111-1111-1111-1111',
  /** In keys. */
  customer: 'ada.lovelace@canary.example',
  /** In headers. */
  token: 'Bearer-canary-5d41402abc4b',
  /** In what a user's own functions throw: they quote what they were given. */
  thrown: 'canary-thrown-IBAN-DE02120300000000202051',
  /** In the configuration of a driver. */
  password: 'canary-hunter2',
  connection: 'canary-user:canary-pass@kafka.canary.example',
} as const

/** The canaries that a thing shows, however deep: as text, in its message, its stack, its cause, its problems. */
export function canariesIn(thing: unknown): readonly string[] {
  const text = textOf(thing)
  return Object.values(CANARIES).filter((canary) => text.includes(canary))
}

function textOf(thing: unknown, seen: Set<unknown> = new Set()): string {
  if (thing instanceof Uint8Array) return Buffer.from(thing).toString('latin1')
  if ((typeof thing !== 'object' && typeof thing !== 'function') || thing === null) return String(thing)
  if (seen.has(thing)) return ''
  seen.add(thing)
  if (thing instanceof Map || thing instanceof Set) return textOf([...thing], seen)
  const own = Object.getOwnPropertyNames(thing).filter((name) => typeof thing !== 'function' || name === 'name')
  return own.map((name) => `${name}=${textOf((thing as Record<string, unknown>)[name], seen)}`).join('\n')
}
