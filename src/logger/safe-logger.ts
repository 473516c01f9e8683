import type { LogFields, Logger } from './logger.ts'
import { silentLogger } from './logger.ts'

/** The user's logger, from which nothing comes back: one that throws must decide neither what becomes of a record nor how a process ends. */
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
