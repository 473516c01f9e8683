import { execFileSync } from 'node:child_process'

const LOOK_EVERY_MS = 500

/**
 * Calls `onGone` once when the process that started this one is gone, SIGKILL included. Wrappers in between (npm, npx, tsx, the
 * shell of an npm script) are looked through, since each of them can be left alive, or die, alone.
 *
 * @returns a function that stops looking.
 */
export function watchParent(onGone: () => void): () => void {
  const ancestors = wrappersAndStarter()
  const timer = setInterval(() => {
    if (process.ppid === ancestors[0] && ancestors.every(isAlive)) return
    clearInterval(timer)
    onGone()
  }, LOOK_EVERY_MS)
  timer.unref()
  return () => clearInterval(timer)
}

/** Process ids from the direct parent up to the first that is not a wrapper. */
function wrappersAndStarter(): readonly number[] {
  const ids = [process.ppid]
  for (;;) {
    const last = ids.at(-1) ?? 1
    const { parent, command } = describeProcess(last)
    if (last <= 1 || parent <= 1 || !isWrapper(command)) return ids.filter((id) => id > 1)
    ids.push(parent)
  }
}

function isWrapper(command: string): boolean {
  return /(^|[\s/])(npm|npx|tsx|npm-cli\.js|npx-cli\.js)(\s|$)|^npm |\btsx\/dist\/|^(\S*\/)?(ba|da|z)?sh -c /.test(
    command,
  )
}

function describeProcess(id: number): { readonly parent: number; readonly command: string } {
  try {
    const line = execFileSync('ps', ['-o', 'ppid=,args=', '-p', String(id)], { encoding: 'utf8' }).trim()
    const [, parent = '0', command = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? []
    return { parent: Number(parent), command }
  } catch {
    return { parent: 0, command: '' } // no `ps` here, or the process is gone: the direct parent is still watched
  }
}

function isAlive(id: number): boolean {
  try {
    process.kill(id, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
