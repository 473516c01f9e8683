import type { LogFields, Logger } from '../../../src/logger/index.ts'
import type { Journal } from '../history/index.ts'

const MAX_TEXT = 2_000

/** Writes warnings and errors into the history, and all of it to stdout, where the machine looks for what must never be told. */
export function workerLogger(journal: Journal): Logger {
  const at =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (fields: LogFields, text: string): void => {
      const line = JSON.stringify({ level, text, ...fields }, bigintsAsText)
      process.stdout.write(`${line}\n`)
      if (level === 'warn' || level === 'error') journal.write({ f: 'log', level, text: line.slice(0, MAX_TEXT) })
    }
  return { debug: () => {}, info: at('info'), warn: at('warn'), error: at('error') }
}

function bigintsAsText(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value
}
