import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { expect, vi } from 'vitest'

/**
 * Resolves when a process that was sent SIGSTOP really stands still: until the signal has reached the last of its threads it can
 * still answer a request. Where the system does not say (`/proc` is Linux'), at once.
 */
export async function everyThreadStopped(pid: number): Promise<void> {
  if (!existsSync(`/proc/${pid}/task`)) return
  await vi.waitFor(() => {
    const states = readdirSync(`/proc/${pid}/task`).map((thread) => {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')
      return stat.slice(stat.lastIndexOf(')') + 2)[0]
    })
    expect(new Set(states)).toEqual(new Set(['T']))
  })
}
