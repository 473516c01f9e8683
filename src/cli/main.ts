#!/usr/bin/env node
import { constants } from 'node:os'
import { systemRuntime } from 'holdfast'
import { runCli } from './run-cli.ts'
import type { TextOutput } from './surroundings.ts'

// The process around the command: nothing else in this folder touches it.

/** One Ctrl-C reaches a process twice within milliseconds when its parent, such as npx, passes on what the terminal gives to both. */
const SAME_SIGNAL_MS = 500

const stop = new AbortController()
const { clock } = systemRuntime
let stoppedAt: number | null = null
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stoppedAt !== null && clock.monotonic() - stoppedAt < SAME_SIGNAL_MS) return
    if (stoppedAt !== null) process.exit(128 + constants.signals[signal])
    stoppedAt = clock.monotonic()
    stop.abort(new Error(signal))
  })
}

process.exitCode = 1 // should nothing be left to wait for before the command has ended
const code = await runCli(process.argv.slice(2), {
  folder: process.cwd(),
  environment: process.env,
  output: outputOf(process.stdout),
  errors: outputOf(process.stderr),
  signal: stop.signal,
})
await Promise.all([process.stdout, process.stderr].map(flushed))
process.exit(code) // what a configuration has left open must not keep it

function outputOf(stream: NodeJS.WriteStream): TextOutput {
  stream.on('error', () => {}) // a reader such as `head` has had enough
  return { write: (text) => void stream.write(text), isTerminal: stream.isTTY }
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()))
}
