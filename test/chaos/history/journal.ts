import { closeSync, openSync, writeSync } from 'node:fs'
import type { EventBody } from './history-event.ts'

/** The file into which one process writes what it does. */
export interface Journal {
  /** Written when it returns: what a process said before SIGKILL is there. */
  write(event: EventBody): void
  close(): void
}

/**
 * Opens the journal of one process. Each event is one system call on a file descriptor that only appends, so the page cache has it
 * before the next statement runs, and a kill can tear the last line at most.
 *
 * @param proc - with the incarnation, `consumer-1#3`; a process that is started again takes another name and another file.
 */
export function openJournal(file: string, proc: string): Journal {
  const fd = openSync(file, 'a')
  let i = 0
  return {
    write(event) {
      const t = Number(process.hrtime.bigint() / 1_000n)
      let rest = Buffer.from(`${JSON.stringify({ i: i++, t, proc, ...event }, offsetsAsText)}\n`)
      while (rest.length > 0) rest = rest.subarray(writeSync(fd, rest)) // a full disk can take a part
    },
    close: () => closeSync(fd),
  }
}

function offsetsAsText(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value
}
