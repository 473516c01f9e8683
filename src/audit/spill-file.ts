import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A file for what does not fit into memory. It has no name that another process could find, where the system allows that. */
export interface SpillFile {
  /** Appends, and tells where. */
  append(bytes: Uint8Array): number
  /** Reads all of it, or fails. */
  read(into: Uint8Array, position: number): void
  /** Gives its room back. Safe to call twice. */
  close(): void
}

/** Makes a spill file in a folder. @param folder - default: that of the system for such things */
export function createSpillFile(folder: string = tmpdir()): SpillFile {
  const own = mkdtempSync(join(folder, 'holdfast-audit-'))
  const remove = (): void => rmSync(own, { recursive: true, force: true })
  let descriptor: number
  try {
    descriptor = openSync(join(own, 'spill'), 'wx+', 0o600)
  } catch (error) {
    remove()
    throw error
  }
  let removed = false
  try {
    remove() // an open file lives on without its name: so even a process that is killed leaves nothing
    removed = true
  } catch {
    // Windows removes no open file: when it is closed, then.
  }
  let size = 0
  let closed = false
  return {
    append(bytes) {
      const position = size
      for (let done = 0; done < bytes.length;) {
        const written = writeSync(descriptor, bytes, done, bytes.length - done, position + done)
        done += written
      }
      size += bytes.length
      return position
    },
    read(into, position) {
      for (let done = 0; done < into.length;) {
        const got = readSync(descriptor, into, done, into.length - done, position + done)
        if (got === 0) throw new Error('a spill file is shorter than what was written to it')
        done += got
      }
    },
    close() {
      if (closed) return
      closed = true
      closeSync(descriptor)
      if (!removed) remove()
    },
  }
}
