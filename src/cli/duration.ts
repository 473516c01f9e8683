const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const

/** Milliseconds as people say them, the two largest units: `20 min 1 s`, `1 d`, `250 ms`. Exact numbers stand in the bounds and in JSON. */
export function duration(ms: number): string {
  const parts: string[] = []
  let left = Math.round(ms)
  for (const [unit, size] of UNITS) {
    const count = Math.floor(left / size)
    left %= size
    if (count > 0) parts.push(`${count} ${unit}`)
    if (parts.length === 2) return parts.join(' ')
  }
  if (left > 0) parts.push(`${left} ms`)
  return parts.length === 0 ? '0 s' : parts.slice(0, 2).join(' ')
}
