import type { LogFields, Logger } from '../logger/index.ts'
import { silentLogger } from '../logger/index.ts'
import type { Position } from '../record/index.ts'
import { formatPosition } from '../record/index.ts'

/** The user's logger, from which nothing comes back: one that throws must not decide what becomes of a record. */
export function safeLogger(logger: Logger): Logger {
  if (logger === silentLogger) return logger
  const guarded =
    (level: keyof Logger) =>
    (fields: LogFields, message: string): void => {
      try {
        logger[level](fields, message)
      } catch {
        // There is nowhere left to tell it.
      }
    }
  return { debug: guarded('debug'), info: guarded('info'), warn: guarded('warn'), error: guarded('error') }
}

/** A logger that says of each line which record it is about. */
export function recordLogger(logger: Logger, position: Position): Logger {
  if (logger === silentLogger) return logger // nobody would read it: not worth making for every record
  const placed =
    (level: keyof Logger) =>
    (fields: LogFields, message: string): void =>
      logger[level]({ ...fields, record: formatPosition(position) }, message)
  return { debug: placed('debug'), info: placed('info'), warn: placed('warn'), error: placed('error') }
}
