import { textOf } from './text.ts'

/**
 * The headers of a record, as Kafka has them: an ordered list in which names may repeat and a value may be null or empty.
 * Never a plain object: names such as `__proto__` or `constructor` are data.
 */
export type Headers = ReadonlyArray<Header>

/** One header: its name and its bytes; `null` and the empty value are different things. */
export type Header = readonly [name: string, value: Uint8Array | null]

/** The last value of a name as text; `undefined` when it is absent, null, or not UTF-8. */
export function headerText(headers: Headers, name: string): string | undefined {
  for (let i = headers.length - 1; i >= 0; i--) {
    const [candidate, value] = headers[i]!
    if (candidate !== name) continue
    return value === null ? undefined : textOf(value)
  }
  return undefined
}

/** A header whose value is UTF-8 text. */
export function textHeader(name: string, text: string): Header {
  return [name, Buffer.from(text, 'utf8')]
}

/** The headers without those that `drop` names, order kept. */
export function withoutHeaders(headers: Headers, drop: (name: string) => boolean): Headers {
  return headers.filter(([name]) => !drop(name))
}
