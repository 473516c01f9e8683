import type { Logger } from 'holdfast'

/** One JSON object a line; a real service would pass pino. */
export function createLog(service: string): Logger {
  const write = (level: string, fields: object, message: string): void => {
    const line = { time: new Date().toISOString(), level, service, message, ...fields }
    console.log(JSON.stringify(line, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)))
  }
  return {
    debug() {},
    info: (fields, message) => write('info', fields, message),
    warn: (fields, message) => write('warn', fields, message),
    error: (fields, message) => write('error', fields, message),
  }
}
