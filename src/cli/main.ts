#!/usr/bin/env node
import { constants } from 'node:os'
import { createInterface } from 'node:readline/promises'
import { systemRuntime } from 'holdfast'
import { EXIT } from './exit-codes.ts'
import { runCli } from './run-cli.ts'
import type { TextOutput } from './surroundings.ts'

// The process around the command: nothing else in this folder touches it.

const stop = new AbortController()
let stoppedBy: 'SIGINT' | 'SIGTERM' = 'SIGINT'
let stoppedAt = 0
const SAME_SIGNAL_MS = 500
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // A relay that drains may be told a second time; a parent passes on a Ctrl-C that the terminal has given to both.
    if (stop.signal.aborted && systemRuntime.clock.monotonic() - stoppedAt > SAME_SIGNAL_MS)
      process.exit(128 + constants.signals[signal])
    stoppedBy = signal
    stoppedAt = systemRuntime.clock.monotonic()
    stop.abort(new Error(signal))
  })
}

process.exitCode = EXIT.broken // should nothing be left to wait for before the command has ended
process.once('beforeExit', () =>
  process.stderr.write('error: the configuration waits for something that never comes\n'),
)
const code = await runCli(process.argv.slice(2), {
  folder: process.cwd(),
  environment: process.env,
  output: outputOf(process.stdout),
  errors: outputOf(process.stderr),
  signal: stop.signal,
  ...(process.stdin.isTTY && process.stderr.isTTY && { ask }),
})
await Promise.all([flushed(process.stdout), flushed(process.stderr)])
process.exit(code === EXIT.stopped ? 128 + constants.signals[stoppedBy] : code) // what a configuration has left open must not keep it

function outputOf(stream: NodeJS.WriteStream): TextOutput {
  stream.on('error', () => {}) // a reader such as `head` has had enough
  return { write: (text) => void stream.write(text), isTerminal: stream.isTTY }
}

async function ask(question: string): Promise<string> {
  const asking = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return await asking.question(question, { signal: stop.signal })
  } finally {
    asking.close()
  }
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()))
}
