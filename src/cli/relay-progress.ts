import type { Relay, RelayHealth } from 'holdfast'
import { systemRuntime } from 'holdfast'
import { duration } from './duration.ts'
import { paintFor } from './paint.ts'
import { printable } from './printable.ts'
import type { CliSurroundings } from './surroundings.ts'

/** Tells what a relay does, until it is closed. */
export interface RelayProgress {
  started(): void
  /** Says the last of it. */
  ended(): void
}

/** On a terminal a line changes; elsewhere lines pile up, so JSON comes less often, and text only when something is wrong. */
const LINE_EVERY_MS = 1_000
const JSON_EVERY_MS = 10_000

/** As JSON one object a line. */
export function relayProgress(relay: Relay, json: boolean, surroundings: CliSurroundings): RelayProgress {
  const { output, errors, environment } = surroundings
  const { clock } = systemRuntime
  const paint = paintFor(errors, environment)
  const showsLine = !json && errors.isTerminal
  let last = { published: 0, atMs: clock.monotonic() }
  let reasons = ''
  let isThere = false

  const clear = (): void => {
    if (isThere) errors.write(BACK)
    isThere = false
  }
  const tell = (event: string, details: object): void => output.write(`${JSON.stringify({ event, ...details })}\n`)
  const rate = (health: RelayHealth): number => {
    const nowMs = clock.monotonic()
    const perSecond = Math.round(((health.published - last.published) / Math.max(1, nowMs - last.atMs)) * 1_000)
    last = { published: health.published, atMs: nowMs }
    return perSecond
  }
  const look = (): void => {
    const health = relay.health()
    const perSecond = rate(health)
    if (json) return tell('progress', factsOf(health, perSecond))
    const now = health.reasons.join('; ')
    if (now !== reasons) {
      clear()
      errors.write(now === '' ? `${paint.good('well again')}\n` : `${paint.bad('unhealthy')}: ${printable(now)}\n`)
      reasons = now
    }
    if (!showsLine) return
    isThere = true
    errors.write(`${BACK}${printable(progressText(health, perSecond))}`)
  }

  const endParked = relay.listen('parked', ({ topic, messageId, reason }) => {
    if (json) return tell('parked', { topic, messageId, ...reason })
    clear()
    const what = printable(`${messageId} of ${topic}: ${reason.code}: ${reason.message}`)
    errors.write(`${paint.bad('parked')}: ${what}\n`)
  })
  let timer: { cancel(): void } | null = null

  return {
    started() {
      const { worker, buckets } = relay.health()
      if (json) tell('started', { worker, buckets: buckets.length })
      else errors.write(printable(`relay ${worker} has begun, with ${buckets.length} of 64 buckets\n`))
      timer = clock.every(json ? JSON_EVERY_MS : LINE_EVERY_MS, look)
    },
    ended() {
      timer?.cancel()
      endParked()
      clear()
      const health = relay.health()
      if (json) tell('ended', { published: health.published, underWay: health.underWay })
      else output.write(`${count(health.published)} published\n`)
    },
  }
}

/** To the beginning of the line, and nothing after it. */
const BACK = '\r\u001b[K'

/** How it fares, in a line. */
export function progressText({ published, buckets, outbox }: RelayHealth, perSecond: number): string {
  const sent = `${count(published)} published, ${count(perSecond)}/s`
  if (outbox === null) return `${sent}, ${buckets.length} buckets`
  const { waiting, more, oldestAgeMs, parked, behind } = outbox
  const oldest = oldestAgeMs === null ? '' : `, oldest ${duration(oldestAgeMs)}`
  const aside = parked === 0 ? '' : `, ${count(parked)} parked and ${count(behind)} behind`
  return `${sent}, ${more ? 'more than ' : ''}${count(waiting)} waiting${oldest}${aside}, ${buckets.length} buckets`
}

function factsOf({ status, reasons, buckets, underWay, published, outbox }: RelayHealth, perSecond: number): object {
  return { published, perSecond, underWay, buckets: buckets.length, outbox, status, reasons }
}

function count(number: number): string {
  return number.toLocaleString('en-US')
}
