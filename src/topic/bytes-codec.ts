import type { TypedCodec } from './codec.ts'
import { CodecError } from './codec.ts'

/**
 * Bytes as they are, both ways. Both ways copy: what the caller does to its array after `send` is not sent, and what a handler does
 * to its value is not parked.
 */
export function bytes(): TypedCodec<Uint8Array> {
  return Object.freeze({
    typed: true as const,
    contentType: 'application/octet-stream',
    encode(value: Uint8Array): Uint8Array {
      if (!((value as unknown) instanceof Uint8Array)) throw new CodecError('must be a Uint8Array')
      return Buffer.from(value) // out of Node's pool: an array buffer of its own costs several times as much
    },
    decode: (value: Uint8Array): Uint8Array => new Uint8Array(value), // not out of the pool: its `buffer` is the handler's
  })
}
