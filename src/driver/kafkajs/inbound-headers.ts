import type { IHeaders } from 'kafkajs'
import type { Header, Headers } from '../../record/index.ts'

/**
 * The headers of a record as kafkajs decoded them, as the list that they are on the log. kafkajs looks a name up in a plain
 * object before it stores it (`protocol/recordBatch/record/v0/decoder.js`): a name that every object inherits, such as
 * `constructor` or `__proto__`, comes back as an array that begins with the inherited thing.
 *
 * Values of one name keep their order; the order among different names is lost, and names that look like whole numbers come
 * first (`headerOrder: false`).
 */
export function fromKafkajsHeaders(headers: IHeaders | undefined): Headers {
  let list: Header[] | undefined
  for (const name in headers) {
    if (!Object.hasOwn(headers, name)) continue
    list ??= []
    const value: unknown = headers[name]
    if (!Array.isArray(value)) {
      list.push([name, bytesOf(value)])
      continue
    }
    for (const [i, one] of (value as readonly unknown[]).entries()) {
      if (i === 0 && isInherited(one)) continue
      list.push([name, bytesOf(one)])
    }
  }
  return list ?? NONE
}

const NONE: Headers = Object.freeze([])

/** What came off the wire is bytes or null; nothing else can be a header's value. */
function isInherited(value: unknown): boolean {
  return value !== null && !Buffer.isBuffer(value)
}

function bytesOf(value: unknown): Uint8Array | null {
  return Buffer.isBuffer(value) ? value : null
}
