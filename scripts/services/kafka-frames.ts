import { Buffer } from 'node:buffer'

/** Every request of the Kafka protocol starts with these, after its four bytes of size. */
export interface RequestHeader {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
}

/** Largest frame taken for one: Kafka's own `socket.request.max.bytes`. */
export const MAX_FRAME_BYTES: number = 100 * 2 ** 20

/** Cuts a stream of TCP chunks into frames; each frame keeps its four bytes of size, so that it can be passed on as it is. */
export interface FrameSplitter {
  /** @throws RangeError when a size is negative or above {@link MAX_FRAME_BYTES}: this is not Kafka's protocol. */
  push(chunk: Buffer): Buffer[]
}

/** Makes a splitter for one direction of one connection. */
export function createFrameSplitter(): FrameSplitter {
  let chunks: Buffer[] = []
  let bytes = 0
  let wanted = 4

  return {
    push(chunk) {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes < wanted) return []
      let rest = chunks.length === 1 ? chunk : Buffer.concat(chunks) // once per frame, so a large frame is not copied per chunk
      const frames: Buffer[] = []
      for (;;) {
        wanted = rest.length < 4 ? 4 : 4 + frameSize(rest)
        if (rest.length < wanted) break
        frames.push(rest.subarray(0, wanted))
        rest = rest.subarray(wanted)
      }
      chunks = rest.length === 0 ? [] : [rest]
      bytes = rest.length
      return frames
    },
  }
}

/** Reads the header of a whole request frame. @throws RangeError when the frame is too short to hold one. */
export function readRequestHeader(frame: Buffer): RequestHeader {
  return { apiKey: frame.readInt16BE(4), apiVersion: frame.readInt16BE(6), correlationId: frame.readInt32BE(8) }
}

/** Reads which client a whole request frame says it is from; null when it does not. */
export function readClientId(frame: Buffer): string | null {
  if (frame.length < CLIENT_ID_AT + 2) return null
  const length = frame.readInt16BE(CLIENT_ID_AT)
  return length < 0 ? null : frame.toString('utf8', CLIENT_ID_AT + 2, CLIENT_ID_AT + 2 + length)
}

/** After the frame's size and the {@link RequestHeader}. */
const CLIENT_ID_AT = 12

/** Reads the correlation id of a whole response frame. @throws RangeError when the frame is too short to hold one. */
export function readCorrelationId(frame: Buffer): number {
  return frame.readInt32BE(4)
}

function frameSize(buffer: Buffer): number {
  const size = buffer.readInt32BE(0)
  if (size < 0 || size > MAX_FRAME_BYTES) throw new RangeError(`a frame of ${size} bytes is not Kafka's protocol`)
  return size
}
