import { DEAD_LETTER_HEADERS } from '../../../src/dlq/index.ts'
import { formatPosition } from '../../../src/record/index.ts'
import type { IndexedHistory } from './index-history.ts'
import type { Report } from './violation.ts'

/**
 * I14: what stands in payloads stays there. Logs, spans, metrics and the headers that we add to dead letters are searched for it; the
 * report says where it was found and never what it is.
 */
export function canaries(history: IndexedHistory, report: Report): void {
  const secrets = (history.expectations.canaries ?? []).filter((secret) => secret !== '')
  const leaks = (text: string): boolean => secrets.some((secret) => text.includes(secret))
  for (const { source, text } of history.texts ?? []) {
    if (leaks(text)) report({ type: 'canary-leaked', text: `a payload's canary is in ${source}` })
  }
  for (const event of history.events) {
    if (event.f !== 'log' || !leaks(event.text)) continue
    const text = `a payload's canary is in a log line (${event.level}) of ${event.proc}`
    report({ type: 'canary-leaked', text, at: event.t, proc: event.proc })
  }
  for (const letter of history.deadLetters) {
    for (const [name, value] of letter.headers) {
      if (!OUR_NAMES.has(name) || value === null || !leaks(Buffer.from(value).toString('utf8'))) continue
      const { topic, partition, offset } = letter
      const text = `a payload's canary is in ${name} of the dead letter at ${formatPosition(letter)}`
      report({ type: 'canary-leaked', text, topic, partition, offset })
    }
  }
}

const OUR_NAMES: ReadonlySet<string> = new Set(Object.values(DEAD_LETTER_HEADERS))
