export type { LogFields, Logger } from './logger.ts'
export { silentLogger } from './logger.ts'
export { safeLogger } from './safe-logger.ts'
