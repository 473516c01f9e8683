import type { Unit } from './bench.ts'

interface UnitFacts {
  /** Is more better, or less? */
  readonly better: 'more' | 'less'
  readonly text: (value: number) => string
}

/** How each unit is read and judged. */
export const UNITS: Readonly<Record<Unit, UnitFacts>> = {
  'per second': { better: 'more', text: (value) => `${Math.round(value).toLocaleString('en')}/s` },
  'MB per 100,000 records': { better: 'less', text: (value) => `${value.toFixed(2)} MB per 100,000` },
  MiB: { better: 'less', text: (value) => `${value.toFixed(1)} MiB` },
  'µs of CPU per record': { better: 'less', text: (value) => `${value.toFixed(2)} µs of CPU` },
  ms: { better: 'less', text: (value) => `${value.toFixed(1)} ms` },
  'queries per second': { better: 'less', text: (value) => `${value.toFixed(1)} queries/s` },
}

/** The ratio that is wanted, for people. */
export function wanted(unit: Unit, reach: number | null): string {
  if (reach === null) return ''
  return `${UNITS[unit].better === 'more' ? '≥' : '≤'} ${reach} ×`
}

/** Is `ratio` what is wanted? As printed: to two places. */
export function isReached(unit: Unit, ratio: number, reach: number | null): boolean {
  if (reach === null) return true
  const printed = Number(ratio.toFixed(2))
  return UNITS[unit].better === 'more' ? printed >= reach : printed <= reach
}
