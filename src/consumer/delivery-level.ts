import type { Problem } from '../errors/index.ts'
import type { SubscriptionOptions } from './subscription-options.ts'
import type { Stop } from './dispatcher.ts'
import type { Pipeline } from './pipeline.ts'

/** What has no meaning for messages that are handled at most once. */
export function atMostOnceProblems<Tx>(options: SubscriptionOptions<Tx>, where: string): readonly Problem[] {
  const problems: Problem[] = []
  const refuse = (option: string, message: string): void => void problems.push({ path: `${where}.${option}`, message })
  if (options.retry !== undefined) refuse('retry', `${NO_MEANING}: its handler is called once`)
  if (options.deadLetter !== undefined && options.deadLetter !== false)
    refuse('deadLetter', `${NO_MEANING}: what fails is skipped, and counted`)
  if (options.onExhausted === 'pause') refuse('onExhausted', `must be "skip": the offset has moved already`)
  if (options.dedupe !== undefined) refuse('dedupe', `${NO_MEANING}: nothing comes again`)
  if (options.inbox !== undefined) refuse('inbox', `${NO_MEANING}: nothing comes again`)
  if (options.ack === 'manual') refuse('ack', `${NO_MEANING}: the offset has moved before the handler is called`)
  options.errors?.forEach(({ verdict }, i) => {
    if (verdict !== 'skip' && verdict !== 'stop')
      refuse(`errors.${i}.verdict`, 'must be "skip" or "stop" with delivery at-most-once: its handler is called once')
  })
  return problems
}

const NO_MEANING = 'has no meaning with delivery at-most-once'

/**
 * May no handler be called any more? Once a partition is to go. Where the offset has moved already, once the time to drain is over, or the group has not
 * answered for a session: not to call it loses the message, and to call it while another member is at the next one of its key breaks their order.
 */
export function nothingBegins({ epoch, subscription, isSuspect }: Levelled & Pick<Pipeline, 'isSuspect'>): boolean {
  if (subscription.delivery !== 'at-most-once') return epoch.stopped
  return epoch.signal.aborted || (epoch.stopped && isSuspect())
}

type Levelled = Pick<Pipeline, 'epoch' | 'subscription'>

/** Ends what waits until it may begin: see {@link nothingBegins}. */
export function untilNothingBegins(pipeline: Levelled): Stop {
  const { epoch, subscription } = pipeline
  if (subscription.delivery !== 'at-most-once') return epoch
  return { stopped: epoch.signal.aborted, onStop: epoch.onAbort }
}
