import type { Runtime } from '../clock/index.ts'
import { systemRuntime } from '../clock/index.ts'
import type { Problem } from '../errors/index.ts'
import { HoldfastError } from '../errors/index.ts'
import type { AuditProgress } from './audit-report.ts'
import type { AuditLookup, AuditSource } from './audit-source.ts'

/** What is compared with what. */
export interface AuditOptions {
  /** Whose messages have to be on the other side. It is read first, so that nothing can come to it in between that the other side does not have yet. */
  readonly from: AuditSource
  readonly to: AuditSource | AuditLookup
  /** Judges what happened from here on, in milliseconds since the epoch. @defaultValue all */
  readonly sinceMs?: number
  /** Judges what happened before this, in milliseconds since the epoch. @defaultValue all */
  readonly untilMs?: number
  /** How long a message may take to the other side, in milliseconds: a younger one that is not there is not missing. 0 or more. @defaultValue `30_000` */
  readonly graceMs?: number
  /**
   * How far around the window both sides are read, in milliseconds, since the two sides of a message have not quite the same time. 0 or more.
   *
   * @defaultValue `300_000`
   */
  readonly marginMs?: number
  /** Finds what is only on the other side, too. @defaultValue `false` */
  readonly extra?: boolean
  /** The most memory that facts take, in bytes; what does not fit goes to disk. 4 KiB or more. @defaultValue 64 MiB */
  readonly memoryBytes?: number
  /** How many ranges of each kind are listed. 0 to 100,000. @defaultValue `20` */
  readonly show?: number
  /** Tells the keys of findings, not their hashes alone. Keys go to disk meanwhile. @defaultValue `false` */
  readonly keys?: boolean
  /** Where to put what does not fit into memory. Nothing stays there. @defaultValue the system's folder for such things */
  readonly folder?: string
  /** Hears how far it is, after each batch. */
  readonly onProgress?: (progress: AuditProgress) => void
  /** Ends it. */
  readonly signal?: AbortSignal
  /** @defaultValue `systemRuntime` */
  readonly runtime?: Runtime
}

/** {@link AuditOptions} with nothing left open. */
export type AuditSettings = Required<Omit<AuditOptions, 'sinceMs' | 'untilMs' | 'folder'>> & {
  readonly sinceMs: number | null
  readonly untilMs: number | null
  readonly folder: string | undefined
}

const LEAST_MEMORY = 4 * 2 ** 10

/** @throws HOLDFAST_CONFIG_INVALID with every problem */
export function auditSettings(options: AuditOptions): AuditSettings {
  const settings: AuditSettings = {
    from: options.from,
    to: options.to,
    sinceMs: options.sinceMs ?? null,
    untilMs: options.untilMs ?? null,
    graceMs: options.graceMs ?? 30_000,
    marginMs: options.marginMs ?? 300_000,
    extra: options.extra ?? false,
    memoryBytes: options.memoryBytes ?? 64 * 2 ** 20,
    show: options.show ?? 20,
    keys: options.keys ?? false,
    folder: options.folder,
    onProgress: options.onProgress ?? (() => {}),
    signal: options.signal ?? new AbortController().signal,
    runtime: options.runtime ?? systemRuntime,
  }
  const problems = problemsOf(settings)
  if (problems.length > 0) throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'audit: options do not fit', { problems })
  return settings
}

function problemsOf(settings: AuditSettings): readonly Problem[] {
  const { from, to, sinceMs, untilMs, graceMs, marginMs, memoryBytes, show } = settings
  const problems: Problem[] = []
  const need = (path: string, fits: boolean, message: string): void => {
    if (!fits) problems.push({ path, message })
  }
  const isTime = (ms: number | null): boolean => ms === null || Number.isFinite(ms)
  need('from', from?.kind === 'facts', 'must be an AuditSource')
  need('to', to?.kind === 'facts' || to?.kind === 'lookup', 'must be an AuditSource or an AuditLookup')
  need('sinceMs', isTime(sinceMs), 'must be milliseconds since the epoch')
  need('untilMs', isTime(untilMs), 'must be milliseconds since the epoch')
  need('untilMs', sinceMs === null || untilMs === null || !(untilMs <= sinceMs), 'must be after sinceMs')
  need('graceMs', Number.isFinite(graceMs) && graceMs >= 0, 'must be a number of 0 or more')
  need('marginMs', Number.isFinite(marginMs) && marginMs >= 0, 'must be a number of 0 or more')
  need(
    'memoryBytes',
    Number.isInteger(memoryBytes) && memoryBytes >= LEAST_MEMORY,
    'must be an integer of 4,096 or more',
  )
  need('show', Number.isInteger(show) && show >= 0 && show <= 100_000, 'must be an integer of 0 to 100,000')
  return problems
}
