export type { Events } from './events.ts'
export { createEvents } from './events.ts'
