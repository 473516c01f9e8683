import { slope } from '../../../bench/slope.ts'
import type { EventOf } from '../history/index.ts'
import type { IndexedHistory } from './index-history.ts'
import type { Report } from './violation.ts'

type Sample = EventOf<'resources'>

/** Fewer say nothing about a slope. */
const LEAST_SAMPLES = 9

/**
 * I13: calls in flight stay below their limit, memory does not grow once a process has warmed up, and what was opened is closed at the
 * end.
 */
export function resourceBounds(history: IndexedHistory, report: Report): void {
  judgeCalls(history, report)
  const samples = new Map<string, Sample[]>()
  for (const event of history.events) {
    if (event.f !== 'resources') continue
    const known = samples.get(event.proc)
    if (known === undefined) samples.set(event.proc, [event])
    else known.push(event)
  }
  for (const own of samples.values()) {
    judgeMemory(history, own, report)
    judgeBaseline(own, report)
  }
}

/** Counted from the calls themselves, not from what the process says about itself. */
function judgeCalls({ events, groups }: IndexedHistory, report: Report): void {
  const limits = new Map(groups.map(({ expected }) => [expected.group, expected.inFlightLimit ?? Infinity]))
  const running = new Map<string, Set<string>>()
  for (const event of events) {
    if (event.f !== 'handler-begin' && event.f !== 'handler-end') continue
    const limit = limits.get(event.group)
    if (limit === undefined || limit === Infinity) continue
    const name = `${event.proc} ${event.group}`
    let calls = running.get(name)
    if (calls === undefined) running.set(name, (calls = new Set()))
    const call = `${event.topic}[${event.partition}]@${event.offset}`
    if (event.f === 'handler-end') {
      calls.delete(call)
      continue
    }
    calls.add(call)
    if (calls.size <= limit) continue
    report({
      type: 'too-many-in-flight',
      text: `${event.proc} runs ${calls.size} calls of ${event.group}, and ${limit} are allowed`,
      at: event.t,
      group: event.group,
      topic: event.topic,
      partition: event.partition,
      offset: event.offset,
      proc: event.proc,
      weight: calls.size,
    })
  }
}

/** The first third is warm-up: code is compiled, buffers find their size. */
function judgeMemory({ expectations }: IndexedHistory, samples: readonly Sample[], report: Report): void {
  const { maxRssSlopeMbPerMinute, maxBufferedBytes = Infinity } = expectations
  const { proc } = samples[0]!
  for (const { bufferedBytes = 0, t } of samples) {
    if (bufferedBytes <= maxBufferedBytes) continue
    const text = `${proc} buffers ${bufferedBytes} bytes, and ${maxBufferedBytes} are allowed`
    report({ type: 'too-much-buffered', text, at: t, proc, weight: bufferedBytes })
  }
  const running = samples.filter(({ phase }) => phase === undefined)
  if (maxRssSlopeMbPerMinute === undefined || running.length < LEAST_SAMPLES) return
  const warm = running.slice(Math.floor(running.length / 3))
  const grows = slope(warm.map(({ t, rssMb }) => ({ x: (t - warm[0]!.t) / 60e6, y: rssMb })))
  if (!(grows > maxRssSlopeMbPerMinute)) return
  report({
    type: 'memory-grows',
    text: `${proc} grows by ${grows.toFixed(1)} MB a minute, and ${maxRssSlopeMbPerMinute} are allowed`,
    at: warm.at(-1)!.t,
    proc,
    weight: grows,
  })
}

function judgeBaseline(samples: readonly Sample[], report: Report): void {
  const baseline = samples.find(({ phase }) => phase === 'baseline')
  const stopped = samples.findLast(({ phase }) => phase === 'stopped')
  if (baseline === undefined || stopped === undefined) return
  for (const what of ['sockets', 'timers'] as const) {
    if (stopped[what] <= baseline[what]) continue
    report({
      type: `${what}-left`,
      text: `${stopped.proc} closed with ${stopped[what]} ${what}, and began with ${baseline[what]}`,
      at: stopped.t,
      proc: stopped.proc,
    })
  }
}
