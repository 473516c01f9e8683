export type { ConformanceEnvironment } from './environment.ts'
export { inMemoryEnvironment } from './in-memory.ts'
export { kafkajsEnvironment } from './kafkajs.ts'
