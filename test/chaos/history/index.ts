export type * from './history-event.ts'
export { openJournal, type Journal } from './journal.ts'
export { inTime, readHistory } from './read-history.ts'
