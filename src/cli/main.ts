#!/usr/bin/env node
import { constants } from 'node:os'
import { EXIT } from './exit-codes.ts'
import { runCli } from './run-cli.ts'
import type { TextOutput } from './surroundings.ts'

// The process around the command: nothing else in this folder touches it.

const stop = new AbortController()
let stoppedBy: 'SIGINT' | 'SIGTERM' = 'SIGINT'
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    stoppedBy = signal
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
})
await Promise.all([flushed(process.stdout), flushed(process.stderr)])
process.exit(code === EXIT.stopped ? 128 + constants.signals[stoppedBy] : code) // what a configuration has left open must not keep it

function outputOf(stream: NodeJS.WriteStream): TextOutput {
  stream.on('error', () => {}) // a reader such as `head` has had enough
  return { write: (text) => void stream.write(text), isTerminal: stream.isTTY }
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()))
}
