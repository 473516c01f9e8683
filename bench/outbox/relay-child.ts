// One relay in a process of its own: relay-process.ts starts it and says what it reads. Its argument is the spec as JSON.
import { createInterface } from 'node:readline'
import { startNaiveRelay } from '../peers/naive-outbox.ts'
import { startPeerRelay } from '../peers/pg-transactional-outbox.ts'
import { startHoldfastRelay } from './holdfast-relay.ts'
import { monotonicMs } from './monotonic.ts'
import type { RelaySpec, RunningRelay } from './relay-spec.ts'

let total = 0
let buckets: number | null = null
let atMs = monotonicMs()
const tell = (): void => {
  process.stdout.write(`${JSON.stringify({ published: total, atMs, buckets })}\n`)
}
const published = (rows: number): void => {
  total += rows
  atMs = monotonicMs()
  tell()
}
const holds = (held: number): void => {
  buckets = held
  if (isReady) tell()
}
let isReady = false

function start(spec: RelaySpec): Promise<RunningRelay> {
  if (spec.side === 'holdfast') return startHoldfastRelay(spec, published, holds)
  if (spec.side === 'naive') return startNaiveRelay(spec, published, holds)
  return startPeerRelay(spec, published, holds)
}

// Also in the middle of a run, which may never end: whoever started this process is gone.
process.stdin.once('end', () => process.exit(0))
const relay = await start(JSON.parse(process.argv[2]!) as RelaySpec)
isReady = true
tell()
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'close') break
  relay.go(Number(line))
}
await relay.close()
process.exit(0) // clients of the peers may leave timers
