import type { SpillFile } from './spill-file.ts'
import { createSpillFile } from './spill-file.ts'

/** Keys, kept aside on disk until those that are to be shown are known. */
export interface KeyFile {
  /** @returns where it is; more than 0 */
  keep(key: Uint8Array): number
  at(keyAt: number): Uint8Array
  bytes(): number
  close(): void
}

const BUFFER_BYTES = 64 * 2 ** 10

/** Makes a file of keys. */
export function createKeyFile(folder: string | undefined): KeyFile {
  const file: SpillFile = createSpillFile(folder)
  let waiting: Uint8Array[] = [Uint8Array.of(0)] // so that no key is at 0
  let waitingBytes = 1
  let written = 0

  const flush = (): void => {
    if (waitingBytes === 0) return
    file.append(Buffer.concat(waiting))
    written += waitingBytes
    waiting = []
    waitingBytes = 0
  }

  return {
    keep(key) {
      const at = written + waitingBytes
      const length = Buffer.alloc(4)
      length.writeUInt32BE(key.length)
      waiting.push(length, Uint8Array.from(key))
      waitingBytes += 4 + key.length
      if (waitingBytes >= BUFFER_BYTES) flush()
      return at
    },
    at(keyAt) {
      flush()
      const length = Buffer.alloc(4)
      file.read(length, keyAt)
      const key = Buffer.alloc(length.readUInt32BE(0))
      file.read(key, keyAt + 4)
      return key
    },
    bytes: () => written + waitingBytes,
    close: () => file.close(),
  }
}
