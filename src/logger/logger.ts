/** What a line is about: ids, positions, counts, codes. Never payloads, keys or secrets. */
export type LogFields = Readonly<Record<string, unknown>>

/** Where log lines go: the methods that pino, and most others, have. */
export interface Logger {
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
}

/** The default: says nothing. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} }
