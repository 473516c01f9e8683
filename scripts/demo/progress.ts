/** Shows how far a run is: one line that is written over on a terminal, a plain line now and then elsewhere. */
export interface ProgressLine {
  /** What holds right now; may be called often. */
  update(text: string): void
  /** Something that stays on the screen. */
  note(text: string): void
  /** Leaves the last state standing. */
  done(): void
}

const PLAIN_EVERY_MS = 3_000

/** @param clock - milliseconds that never go back */
export function progressLine(
  stream: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number },
  clock: () => number = () => performance.now(),
): ProgressLine {
  let shown = ''
  let lastPlainAt = -Infinity
  return {
    update(text) {
      if (stream.isTTY === true) {
        const line = text.slice(0, (stream.columns ?? 120) - 1) // a line that wraps could not be written over
        if (line !== shown) stream.write(`\r\u001b[K${line}`)
        shown = line
      } else if (text !== shown && clock() - lastPlainAt >= PLAIN_EVERY_MS) {
        stream.write(`${text}\n`)
        shown = text
        lastPlainAt = clock()
      }
    },
    note(text) {
      if (stream.isTTY !== true) stream.write(`${text}\n`)
      else stream.write(`\r\u001b[K${text}\n${shown}`)
    },
    done() {
      if (stream.isTTY === true && shown !== '') stream.write('\n')
      shown = ''
    },
  }
}
