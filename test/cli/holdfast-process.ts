import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Said } from './world.ts'

/** A command in a process of its own. */
export interface RunningCommand {
  readonly child: ChildProcess
  /** How it ended, and what it said. The code is the signal's name where that has killed it. */
  readonly ended: Promise<Omit<Said, 'code'> & { readonly code: number | string }>
  /** Resolves when it has said this, on either stream. */
  said(text: string): Promise<void>
}

/** Starts the command from its source. It is killed when the test ends. */
export function startHoldfast(
  args: readonly string[],
  folder: string,
  environment: Readonly<Record<string, string>> = {},
): RunningCommand {
  const { DATABASE_URL: _, ...inherited } = process.env
  const options = ['--conditions=holdfast-source', '--import', 'tsx', resolve('src/cli/main.ts')]
  const child = spawn(process.execPath, [...options, ...args], {
    cwd: folder,
    env: { ...inherited, ...environment },
    stdio: 'pipe',
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const text = { output: '', errors: '' }
  let look = (): void => {}
  for (const [stream, name] of [
    [child.stdout, 'output'],
    [child.stderr, 'errors'],
  ] as const) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text[name] += chunk
      look()
    })
  }
  const ended = once(child, 'close').then(([code, signal]) => ({ code: (code ?? signal) as number | string, ...text }))
  return {
    child,
    ended,
    said: (wanted) =>
      new Promise((settle, reject) => {
        look = () => {
          if (`${text.output}\n${text.errors}`.includes(wanted)) settle()
        }
        look()
        void ended.then(() => reject(new Error(`ended without saying "${wanted}":\n${text.output}${text.errors}`)))
      }),
  }
}
