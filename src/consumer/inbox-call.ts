import type { Runtime } from '../clock/index.ts'
import type { Inbox, InboxCall, InboxDone, InboxMessage } from '../idempotency/index.ts'
import type { Delivery } from './delivery.ts'
import type { HandlerContext } from './handler-context.ts'
import { handlerOutcomeOf } from './outcome.ts'
import type { Pipeline } from './pipeline.ts'

/** The inbox of one handler, and what it knows messages by. */
export interface InboxOfHandler {
  readonly inbox: Inbox<unknown>
  idOf(messageId: string): string
  /** Of each assignment, so many records are counted before they begin: see `beginAtInbox`. */
  readonly counted: number
}

/** The inbox knows the message as done: the handler was not called. */
export class KnownByInbox {
  readonly kind = 'known'
}

/**
 * Calls the handler within a transaction that marks its message. A message that is to be parked, or to come again, leaves nothing behind.
 *
 * A commit whose answer was lost ends with HOLDFAST_STORE_UNAVAILABLE, and the message comes here again: its mark then says that it was this
 * delivery that has handled it.
 *
 * @throws what the handler throws; HOLDFAST_STORE_UNAVAILABLE; HOLDFAST_TRANSACTION_ABORTED.
 */
export async function callInInbox(
  { inbox, idOf }: InboxOfHandler,
  invoke: () => unknown,
  context: HandlerContext,
  delivery: Delivery,
  { subscription, runtime, failpoint }: Pipeline,
): Promise<unknown> {
  const message = { id: idOf(delivery.messageId), token: (delivery.token ??= runtime.ids()) }
  const { signal } = context
  const call = { messages: [message], signal, idleTimeoutMs: subscription.handlerTimeoutMs }
  let tries = 0
  const result = await inbox.handle(call, async (tx) => {
    if (tries++ > 0) calledAnew(delivery, context, runtime)
    context.tx = tx
    if (failpoint !== null) await failpoint('inbox:marked') // a crash from here to the commit leaves nothing behind
    const value = await invoke()
    const said = handlerOutcomeOf(value)
    if (failpoint !== null) await failpoint('inbox:handled')
    return { commit: said === null || said.kind === 'skip', value }
  })
  return result.kind === 'done' ? knownAs(result.done, message) : result.value
}

/** For collisions nobody is at fault: a call has its time each time. */
export function calledAnew(delivery: Delivery, context: HandlerContext, { clock }: Pick<Runtime, 'clock'>): void {
  delivery.since = clock.monotonic()
  context.calledAnew()
}

/** What a message of which the handler saw nothing ends with: as handled by a commit of its own, else as a duplicate. */
function knownAs(done: InboxDone, message: InboxMessage): KnownByInbox | undefined {
  return done.get(message)?.own === true ? undefined : new KnownByInbox()
}

/** A message of a batch, and what a call of it is told of its end. */
export interface InboxPart {
  readonly messageId: string
  /** As in `Delivery`. */
  token: string | null
}

/**
 * Calls a batch handler within one transaction that marks all of its messages, those that are marked already left out. Where it fails some of
 * them nothing is kept, and it is called anew without those, until it fails none.
 *
 * @param invoke - one call of the handler, for some of the parts; resolves with those that it has failed
 * @param onEnd - told of each part that has its end: what its call comes to, when it is handled or a duplicate
 * @throws what the handler throws: it is then of all parts that have no end yet; HOLDFAST_STORE_UNAVAILABLE; HOLDFAST_TRANSACTION_ABORTED.
 */
export async function callBatchInInbox<Part extends InboxPart>(
  { inbox, idOf }: InboxOfHandler,
  parts: readonly Part[],
  invoke: (parts: readonly Part[], tx: unknown) => Promise<ReadonlySet<Part>>,
  onEnd: {
    readonly handled: (part: Part, said: KnownByInbox | undefined) => void
    readonly failed: (part: Part) => void
  },
  { signal, idleTimeoutMs, ids }: Omit<InboxCall, 'messages'> & { readonly ids: () => string },
): Promise<void> {
  for (let left = parts; left.length > 0;) {
    const partOf = new Map<InboxMessage, Part>(
      left.map((part) => [{ id: idOf(part.messageId), token: (part.token ??= ids()) }, part]),
    )
    const call = { messages: [...partOf.keys()], signal, idleTimeoutMs }
    let handled = new Set<InboxMessage>()
    const result = await inbox.handle(call, async (tx, fresh) => {
      handled = new Set(fresh)
      const failed = await invoke(
        fresh.map((message) => partOf.get(message)!),
        tx,
      )
      return { commit: failed.size === 0, value: failed }
    })
    if (result.kind === 'rolled-back') {
      const failed = result.value
      for (const part of failed) onEnd.failed(part)
      left = left.filter((part) => !failed.has(part))
      continue
    }
    for (const [message, part] of partOf) {
      const isNew = result.kind === 'committed' && handled.has(message)
      onEnd.handled(part, isNew ? undefined : knownAs(result.done, message))
    }
    return
  }
}
