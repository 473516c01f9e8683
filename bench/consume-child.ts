// One consumer in a process of its own: consumer-process.ts starts it and says what it reads. Its argument is the spec as JSON.
import { createInterface } from 'node:readline'
import type { ConsumerSpec } from './consumer-spec.ts'
import { createCounter } from './counter.ts'
import { consumeBare, consumeByHand, consumeOurs } from './consume-once.ts'
import { startNullTracing } from './null-tracing.ts'

const CONSUME = { holdfast: consumeOurs, kafkajs: consumeBare, 'by-hand': consumeByHand }
const spec = JSON.parse(process.argv[2]!) as ConsumerSpec
if (spec.side !== 'kafkajs' && spec.handler === 'guarded') startNullTracing()
// Also in the middle of a run, which may never end: whoever started this process is gone.
process.stdin.once('end', () => process.exit(0))
for await (const line of createInterface({ input: process.stdin })) {
  const [group = '', count = ''] = line.split(' ')
  const counter = createCounter(Number(count), spec.heap ?? false)
  await CONSUME[spec.side](spec, group, counter)
  console.log(JSON.stringify(counter.consumed()))
}
process.exit(0) // timers of the tracing may be left
