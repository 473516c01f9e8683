/** Turns values into bytes and back. Both ways are exact or throw; nothing is guessed. */
export interface Codec<Value = unknown> {
  /** Media type, sent as the `content-type` header: `application/json`. */
  readonly contentType: string
  /** @throws anything, when the value has no bytes in this codec; the message may name the field, never the value. */
  encode(value: Value): Uint8Array
  /** @throws anything, when the bytes are not of this codec. */
  decode(bytes: Uint8Array): unknown
}
