/** Turns values into bytes and back. Both ways are exact or throw; nothing is guessed. */
export interface Codec<Value = unknown> {
  /** Media type, sent as the `content-type` header: `application/json`. */
  readonly contentType: string
  /**
   * @throws anything, when the value has no bytes in this codec. What a {@link CodecError} says is shown; of any other error only
   * its class is, since its message may hold the value.
   */
  encode(value: Value): Uint8Array
  /** @throws anything, when the bytes are not of this codec; shown as for {@link Codec.encode}. */
  decode(bytes: Uint8Array): unknown
}

/** A codec that gives one type or throws, so that a topic of it needs no schema. */
export interface TypedCodec<Value> extends Codec<Value> {
  /** Says so: whatever `decode` gives is a `Value`. */
  readonly typed: true
  decode(bytes: Uint8Array): Value
}

/**
 * Thrown by a codec whose message is safe to show: it names kinds and places, never values. Any other error of a codec is shown
 * by its class alone.
 */
export class CodecError extends Error {
  override readonly name: string = 'CodecError'
  /** Where in the value, from the outside in; empty for the value itself. */
  readonly path: readonly PropertyKey[]

  constructor(message: string, path: readonly PropertyKey[] = []) {
    super(message)
    this.path = path
  }
}
