import { openJournal } from './index.ts'

// Writes and dies at once, as nothing else can: no exit handler runs, no buffer is flushed.
const journal = openJournal(process.argv[2]!, 'consumer-1#1')
journal.write({ f: 'start', role: 'consumer' })
journal.write({
  f: 'park',
  group: 'g',
  topic: 't',
  partition: 0,
  offset: 2n ** 60n,
  deadLetterTopic: 't.dlq',
  code: 'c',
})
process.kill(process.pid, 'SIGKILL')
