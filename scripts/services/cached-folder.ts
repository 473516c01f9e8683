import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Progress } from './services.ts'

/** A lock older than this was left by a process of another machine or container, whose ids say nothing here. */
const LOCK_LIFETIME_MS = 15 * 60_000

/** The ignored folder at the project's root in which downloads are kept between runs. */
export const cacheRoot: string = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '.cache')

/**
 * Returns the folder `name` of the cache, filled once by `fill`. It is filled under another name and renamed when whole, so
 * an interrupted download never counts as one; processes that want it at the same time wait for the first.
 *
 * @throws whatever `fill` throws; nothing is kept then.
 */
export async function cachedFolder(
  name: string,
  fill: (folder: string) => Promise<void>,
  progress: Progress,
  root: string = cacheRoot,
): Promise<string> {
  const folder = join(root, name)
  if (existsSync(folder)) return folder
  await mkdir(root, { recursive: true })

  const unlock = await lock(join(root, `${name}.lock`), () => existsSync(folder), progress)
  // Under the lock, what others have left half-filled is of no use to anybody.
  for (const entry of await readdir(root)) {
    if (entry.startsWith(`${name}.partial-`)) await rm(join(root, entry), { recursive: true, force: true })
  }
  const partial = await mkdtemp(join(root, `${name}.partial-`))
  try {
    if (existsSync(folder)) return folder
    await fill(partial)
    await chmod(partial, 0o755) // the temporary folder was for its maker alone
    await rename(partial, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error // else another process was faster: its folder is as good as ours
    })
    return folder
  } finally {
    await rm(partial, { recursive: true, force: true })
    await unlock()
  }
}

/** The lock only saves double work: correctness comes from the rename. So a stale one may be taken over without ceremony. */
async function lock(file: string, done: () => boolean, progress: Progress): Promise<() => Promise<void>> {
  let told = false
  for (;;) {
    try {
      await writeFile(file, String(process.pid), { flag: 'wx' })
      return () => rm(file, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    if (done()) return async () => undefined
    if (await isStale(file)) {
      await rm(file, { force: true })
      continue
    }
    if (!told) progress('waiting for another process that is fetching the same files')
    told = true
    await sleep(200)
  }
}

async function isStale(file: string): Promise<boolean> {
  const [holder, info] = await Promise.all([readFile(file, 'utf8').catch(() => ''), stat(file).catch(() => undefined)])
  if (info === undefined) return false // just removed: the next try sees
  return Date.now() - info.mtimeMs > LOCK_LIFETIME_MS || (holder !== '' && !isAlive(Number(holder)))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
