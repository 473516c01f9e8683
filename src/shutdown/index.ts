export type { Closable, CloseOnSignalsOptions } from './close-on-signals.ts'
export { closeOnSignals } from './close-on-signals.ts'
