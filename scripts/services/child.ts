import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

/** What to run, and how it is ended when this process can no longer do it. */
export interface ChildOptions {
  /** The program: an absolute path, or a name found on the PATH. */
  readonly command: string
  readonly args: readonly string[]
  /** The child's own temporary folder: its working directory, its log `server.log`; removed when the child is orphaned. */
  readonly folder: string
  /** User and group to run as; this process's own when left out. */
  readonly user?: { readonly uid: number; readonly gid: number }
  readonly env?: Readonly<Record<string, string>>
  /**
   * Shell commands for the orphaned case, run before the SIGKILL: for what a plain kill leaves behind.
   * They see the child's process id as `$$`.
   */
  readonly lastWords?: string
}

/** How a child ended: an exit code, or the signal that killed it. */
export interface ChildExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A running server process that never outlives this one. */
export interface Child {
  /** The server's own process id: no shell stands between. */
  readonly pid: number
  /** Resolves when the process is gone; never rejects. */
  readonly exited: Promise<ChildExit>
  /** How it ended, once it has. */
  readonly exit: ChildExit | undefined
  /** Sends a signal; does nothing when the process is already gone. */
  signal(signal: NodeJS.Signals): void
  /** Sends `signal`, waits up to `graceMs`, then kills. Resolves when the process is gone. */
  stop(signal: NodeJS.Signals, graceMs: number): Promise<void>
  /** The last lines of what it printed, for error messages. */
  logTail(lines?: number): Promise<string>
}

// The subshell waits on a pipe that only our process holds open. A line on it means "the child ended, leave"; the end of
// the pipe means that we died (SIGKILL and crashes included), so the child is killed and its folder removed. It is started
// before the exec, so there is no moment in which a running server is not watched.
const GUARD = `
folder=$1; last_words=$2; shift 2
(
  trap '' INT TERM HUP
  if ! read -r _ <&3; then
    eval "$last_words"
    kill -KILL $$
    sleep 0.2; rm -rf "$folder"
    sleep 1; rm -rf "$folder" # a process that was in the middle of a write takes a moment to die
  fi
) </dev/null >/dev/null 2>&1 &
exec 3<&-
exec "$@"
`

/**
 * Starts a server under a guard: it dies with this process, however that one ends, and leaves no folder behind.
 * It runs in a session of its own, so that Ctrl-C in the terminal reaches only this process, which stops it in order.
 *
 * @throws Error when the program cannot be started at all.
 */
export async function startChild(options: ChildOptions): Promise<Child> {
  const logFile = join(options.folder, 'server.log')
  const log = openSync(logFile, 'a')
  const guard = spawn(
    '/bin/sh',
    ['-c', GUARD, 'guard', options.folder, options.lastWords ?? '', options.command, ...options.args],
    {
      cwd: options.folder,
      stdio: ['ignore', log, log, 'pipe'],
      detached: true,
      env: { ...process.env, ...options.env },
      ...options.user,
    },
  )
  const pipe = guard.stdio[3] as Writable
  pipe.on('error', () => undefined) // the guard may be gone before the line reaches it

  let exit: ChildExit | undefined
  const exited = new Promise<ChildExit>((resolve) => {
    guard.once('exit', (code, signal) => {
      exit = { code, signal }
      pipe.end('over\n')
      resolve(exit)
    })
  })
  try {
    await new Promise<void>((resolve, reject) => {
      guard.once('spawn', resolve)
      guard.once('error', reject)
    })
  } finally {
    closeSync(log)
  }

  const child: Child = {
    pid: guard.pid as number,
    exited,
    get exit() {
      return exit
    },
    signal(signal) {
      if (exit === undefined) guard.kill(signal)
    },
    async stop(signal, graceMs) {
      child.signal(signal)
      const patience = new AbortController()
      await Promise.race([exited, sleep(graceMs, undefined, { signal: patience.signal }).catch(() => undefined)])
      patience.abort()
      child.signal('SIGKILL')
      await exited
    },
    async logTail(lines = 25) {
      const text = await readFile(logFile, 'utf8').catch(() => '')
      return text.trimEnd().split('\n').slice(-lines).join('\n')
    },
  }
  return child
}

/** Makes a fresh folder for one child under the system's temporary folder. */
export async function makeFolder(what: string): Promise<string> {
  return mkdtemp(join(tmpdir(), `holdfast-${what}-`))
}

/** Removes a child's folder; a few tries, since a dying process may still write into it. */
export async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
}
