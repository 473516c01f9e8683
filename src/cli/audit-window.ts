const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, min: 60_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `2h`, `30s`, `5min`, `250ms`, `1d` in milliseconds; null for anything else. */
export function durationMs(text: string): number | null {
  const [, count, unit] = /^(\d+(?:\.\d+)?)(ms|s|min|m|h|d)$/.exec(text) ?? []
  const ms = Number(count) * (UNITS[unit ?? ''] ?? NaN)
  return Number.isFinite(ms) ? ms : null
}

/** A moment: an ISO time with its zone, or a duration before now. Null for anything else. */
export function momentMs(text: string, nowMs: number): number | null {
  const before = durationMs(text)
  if (before !== null) return nowMs - before
  // Without a zone it would be another moment on another machine. A date alone is midnight UTC.
  const hasZone = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(text)
  const ms = hasZone ? Date.parse(text) : NaN
  return Number.isFinite(ms) ? ms : null
}
