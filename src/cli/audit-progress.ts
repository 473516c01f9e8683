import type { AuditProgress } from 'holdfast'
import { systemRuntime } from 'holdfast'
import type { Paint } from './paint.ts'
import type { TextOutput } from './surroundings.ts'

/** A line that shows how far an audit is. */
export interface ProgressLine {
  show(progress: AuditProgress): void
  /** Takes the line away: what is written next begins where it stood. */
  clear(): void
}

const EVERY_MS = 100
const BAR = 24

const STAGES: Readonly<Record<AuditProgress['stage'], string>> = {
  from: 'reading the first side',
  to: 'reading the other side',
  matching: 'matching',
  judging: 'judging',
}

/** On a terminal alone; elsewhere nobody looks, and lines would pile up. */
export function progressLine(output: TextOutput, paint: Paint): ProgressLine {
  if (!output.isTerminal) return { show() {}, clear() {} }
  const { clock } = systemRuntime
  let stage: AuditProgress['stage'] | null = null
  let begunMs = 0
  let shownMs = -Infinity
  let isThere = false
  return {
    show(progress) {
      const nowMs = clock.monotonic()
      if (progress.stage !== stage) {
        stage = progress.stage
        begunMs = nowMs
      } else if (nowMs - shownMs < EVERY_MS) return
      shownMs = nowMs
      isThere = true
      output.write(`${BACK}${progressText(progress, nowMs - begunMs, paint)}`)
    },
    clear() {
      if (isThere) output.write(BACK)
      isThere = false
    },
  }
}

/** To the beginning of the line, and nothing after it. */
const BACK = '\r\u001b[K'

/** How far it is, how fast, and how long it will take. */
export function progressText({ stage, done, expected }: AuditProgress, tookMs: number, paint: Paint): string {
  const perSecond = tookMs > 0 ? (done / tookMs) * 1_000 : 0
  const rate = perSecond > 0 ? `, ${Math.round(perSecond).toLocaleString('en-US')}/s` : ''
  const count = done.toLocaleString('en-US')
  // An estimate that has turned out too small says nothing more.
  if (expected === null || expected <= 0 || done > expected) return `${STAGES[stage]}: ${count}${rate}`
  const part = done / expected
  const full = Math.round(part * BAR)
  const bar = `${'#'.repeat(full)}${paint.faint('-'.repeat(BAR - full))}`
  const left = perSecond > 0 && done < expected ? `, ${Math.ceil((expected - done) / perSecond)} s left` : ''
  return `${STAGES[stage]} [${bar}] ${Math.floor(part * 100)} %, ${count} of ${expected.toLocaleString('en-US')}${rate}${left}`
}
