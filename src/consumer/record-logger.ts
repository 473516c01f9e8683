import type { LogFields, Logger } from '../logger/index.ts'
import { silentLogger } from '../logger/index.ts'
import type { Position } from '../record/index.ts'
import { formatPosition } from '../record/index.ts'

/** A logger that says of each line which record it is about. */
export function recordLogger(logger: Logger, position: Position): Logger {
  if (logger === silentLogger) return logger // nobody would read it: not worth making for every record
  const placed =
    (level: keyof Logger) =>
    (fields: LogFields, message: string): void =>
      logger[level]({ ...fields, record: formatPosition(position) }, message)
  return { debug: placed('debug'), info: placed('info'), warn: placed('warn'), error: placed('error') }
}
