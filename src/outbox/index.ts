export type { Enqueued, Outbox, OutboxOptions } from './enqueue.ts'
export { createOutbox } from './enqueue.ts'
export type { OutboxRow, OutboxStore } from './outbox-store.ts'
