import assert from 'node:assert/strict'
import type { Inbox, InboxCall, InboxDone, InboxEnd, InboxMessage } from '../../../idempotency/index.ts'

/** What one test of the suite works with. */
export interface InboxWorld {
  readonly inbox: Inbox<unknown>
  /** The same inbox as another process sees it. @defaultValue the same */
  readonly otherInbox?: Inbox<unknown>
  /** Writes an effect through the transaction of a work; the same one may be written twice. */
  write(tx: unknown, effect: string): Promise<unknown>
  /** The effects that are committed, sorted, repeats included. */
  written(): Promise<readonly string[]>
  /** Breaks the connection of a transaction under way, as the death of its process does; resolves when the database has rolled it back. */
  breakConnection(tx: unknown): Promise<void>
  /** Resolves when a transaction waits for the end of another one. */
  untilOneWaits(): Promise<void>
  close(): Promise<void>
}

/** One promise of the port, and how it is held. */
export interface InboxCase {
  readonly promise: string
  readonly hold: (world: InboxWorld) => Promise<void>
}

/** A call for these messages; `by` is the token of each. */
export function call(ids: readonly string[], by = 'one'): InboxCall {
  return { messages: ids.map((id) => messageOf(id, by)), signal: new AbortController().signal, idleTimeoutMs: 60_000 }
}

/** A message, as one delivery of it. */
export function messageOf(id: string, by = 'one'): InboxMessage {
  return { id, token: `${by}:${id}` }
}

/** The end of a work that is to be kept. */
export function kept<T>(value: T): InboxEnd<T> {
  return { commit: true, value }
}

/** A work that must not be called. */
export async function neverCalled(): Promise<never> {
  return assert.fail('the work was called for messages that are done')
}

/** What is said of messages that were done before, in the order in which they were given. */
export function told(done: InboxDone): string[] {
  return [...done].map(([{ id }, { outcome, own }]) => `${id} ${outcome}${own ? ' by itself' : ''}`)
}

/** Something to wait for, and what ends the wait. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open: () => open() }
}
