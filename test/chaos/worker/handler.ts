import { setTimeout as sleep } from 'node:timers/promises'
import type { ClientBase } from 'pg'
import type { Handler, Message, MessageContext } from '../../../src/consumer/index.ts'
import { park } from '../../../src/consumer/index.ts'
import type { Journal } from '../history/index.ts'
import { contend } from './contention.ts'
import type { EffectStore } from './effect-store.ts'
import { fateOf } from './fates.ts'
import { keyOf, valueOf } from './journaling-driver.ts'
import type { OpenCalls } from './open-calls.ts'
import type { ConsumerConfig } from './worker-config.ts'

/** What a handler's failures are called. */
export class PoisonError extends Error {
  readonly code: string = 'POISON'
}

/** What it depends on is out: no fault of the message. */
export class DownstreamError extends Error {
  readonly code: string = 'DOWNSTREAM_OUT'
}

const SLOW_MS = 400

/** The handler of a worker: fails, hangs or has its effect as the fate of each message says, and writes all of it down. */
export function chaosHandler(
  config: ConsumerConfig,
  journal: Journal,
  store: EffectStore,
  book: OpenCalls,
): Handler<unknown> {
  const { group, seed, fates, accident, dedupe } = config
  let calls = 0

  return async (_message: Message<unknown>, context: MessageContext) => {
    const { topic, partition, offset, attempt, record } = context
    const epoch = book.epochOf({ topic, partition })
    const value = valueOf(record)
    const place = { group, topic, partition, offset, epoch, key: keyOf(record), value, attempt }
    const call = ++calls
    journal.write({ f: 'handler-begin', ...place })
    book.callBegins({ topic, partition })
    try {
      if (accident?.call === call) await accidentHappens(accident, context.signal)
      const wish = await act(value, context, place)
      journal.write({ f: 'handler-end', ...place, result: wish === 'park' ? 'parked' : wish })
      return wish === 'park' ? park('asked for by its fate') : undefined
    } catch (error) {
      const code = (error as { readonly code?: unknown }).code
      const named = error instanceof Error ? error.name : typeof error
      journal.write({ f: 'handler-end', ...place, result: 'failed', code: typeof code === 'string' ? code : named })
      throw error
    } finally {
      book.callEnds({ topic, partition })
    }
  }

  async function act(
    value: string,
    { signal, attempt, tx }: MessageContext,
    place: { topic: string; partition: number; offset: bigint; epoch: number; key: string | null },
  ): Promise<'ok' | 'duplicate' | 'park'> {
    if (config.dependsOnDownstream && (await store.isDownstreamOut()))
      throw new DownstreamError('the downstream is out')
    const fate = fateOf(seed, value, fates)
    if (fate === 'poison') throw new PoisonError('this one never succeeds')
    if (fate === 'park') return 'park'
    if (fate === 'hang') await sleep(2 ** 30, undefined, { signal })
    if (fate === 'flaky' && attempt === 1) throw new Error('the first attempt fails')
    await sleep(fate === 'slow' ? SLOW_MS : config.handlerMs, undefined, { signal })
    const inTransaction = dedupe.kind === 'inbox' ? (tx as unknown as ClientBase) : undefined
    if (dedupe.kind === 'inbox' && dedupe.contention !== undefined)
      await contend(dedupe.contention, inTransaction!, place.key)
    const isNew = await store.write({ ...place, value }, inTransaction)
    if (fate === 'late-failure' && attempt === 1) throw new Error('the first attempt fails after its effect')
    return isNew ? 'ok' : 'duplicate'
  }
}

async function accidentHappens(
  { kind, ms }: { kind: 'block' | 'hang'; ms: number },
  signal: AbortSignal,
): Promise<void> {
  if (kind === 'hang') return sleep(ms, undefined, { signal })
  const until = performance.now() + ms
  while (performance.now() < until); // nothing else runs in this process: no heartbeat, no timer
}
