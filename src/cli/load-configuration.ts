import { existsSync, readFileSync } from 'node:fs'
import { basename, extname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { HoldfastConfig } from 'holdfast'
import { HoldfastError } from 'holdfast'
import { z } from 'zod'
import type { CliSurroundings } from './surroundings.ts'

/** A configuration, and where it came from. */
export interface LoadedConfiguration {
  /** As it was named or found; null when there is none. */
  readonly file: string | null
  readonly config: HoldfastConfig
}

const EXTENSIONS = ['.mjs', '.js', '.ts', '.mts', '.json']
const NAMES = EXTENSIONS.map((extension) => `holdfast.config${extension}`)

/**
 * Reads the file that `--config` names, else the one `holdfast.config.…` in the folder; none is fine.
 *
 * @throws HOLDFAST_CONFIG_INVALID, listing everything that is wrong with it. What its module has thrown is the `cause`.
 */
export async function loadConfiguration(
  { folder, signal }: Pick<CliSurroundings, 'folder' | 'signal'>,
  named: string | undefined,
): Promise<LoadedConfiguration> {
  const file = named ?? findConfiguration(folder)
  if (file === null) return { file, config: {} }
  const path = resolve(folder, file)
  if (!existsSync(path))
    throw unfit('the configuration is not there', [{ path: '--config', message: `${file} is not a file` }])
  if (!EXTENSIONS.includes(extname(path)))
    throw unfit('the configuration cannot be read', [
      { path: '--config', message: `${file} must end with ${EXTENSIONS.join(', ')}` },
    ])
  const exported = extname(path) === '.json' ? readJson(path, file) : await importDefault(path, file, signal)
  const checked = schema.safeParse(exported)
  if (checked.success) return { file, config: exported as HoldfastConfig }
  throw unfit(`${file} does not fit`, checked.error.issues.flatMap(problemsOf))
}

function findConfiguration(folder: string): string | null {
  const found = NAMES.filter((name) => existsSync(join(folder, name)))
  if (found.length <= 1) return found[0] ?? null
  throw unfit('more than one configuration', [
    { path: '--config', message: `say which: ${found.join(', ')} are all there` },
  ])
}

function readJson(path: string, file: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    // The parser quotes what it stumbles over, which may be a password.
    const at = /at position \d+|line \d+ column \d+/.exec((error as Error).message)?.[0]
    throw unfit(`${file} is no JSON${at === undefined ? '' : ` (${at})`}`, [])
  }
}

async function importDefault(path: string, file: string, signal: AbortSignal): Promise<unknown> {
  let module: unknown
  try {
    module = await untilStopped(import(pathToFileURL(path).href), signal)
  } catch (cause) {
    if (signal.aborted) throw cause
    if (codeOf(cause) === 'ERR_UNKNOWN_FILE_EXTENSION' && ['.ts', '.mts'].includes(extname(path)))
      throw unfit(`${file} is TypeScript, which this Node.js does not run`, [
        {
          path: '--config',
          message: `Node.js 22.18 or later strips types; else write ${basename(path, extname(path))}.mjs`,
        },
      ])
    throw new HoldfastError('HOLDFAST_CONFIG_INVALID', `${file} failed while it was loaded`, { cause })
  }
  if (typeof module === 'object' && module !== null && 'default' in module) return module.default
  throw unfit(`${file} does not fit`, [{ path: 'default', message: 'is missing: export default defineConfig({ … })' }])
}

/** What is wrong, as an error of ours. */
export function unfit(message: string, problems: readonly { path: string; message: string }[]): HoldfastError {
  return new HoldfastError('HOLDFAST_CONFIG_INVALID', message, { problems })
}

/** Waits for something that nobody can stop, but no longer than until the command is to end. */
export function untilStopped<T>(waited: PromiseLike<T>, signal: AbortSignal): Promise<T> {
  return new Promise((settle, reject) => {
    const stop = (): void => reject(signal.reason as Error)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    waited.then(settle, reject)
  })
}

function codeOf(error: unknown): unknown {
  return Reflect.get(Object(error), 'code')
}

const name = z.string().min(1)
const schema = z.strictObject(
  {
    consumers: z
      .custom<unknown>((given) => Array.isArray(given) || typeof given === 'function', {
        message: 'must be an array of consumers, or a function that makes one',
      })
      .optional(),
    driver: z
      .custom<unknown>(
        (given) =>
          ['createConsumer', 'createAdmin'].every((each) => typeof Reflect.get(Object(given), each) === 'function'),
        { message: 'must be a driver, such as kafkajsDriver(…) gives' },
      )
      .optional(),
    relay: z
      .custom<unknown>((given) => (typeof given === 'object' && given !== null) || typeof given === 'function', {
        message: 'must be what createRelay gives, or a function that makes it',
      })
      .optional(),
    postgres: z
      .strictObject(
        {
          url: name.optional(),
          schema: name.optional(),
          table: name.optional(),
          outbox: z
            .strictObject(
              { table: name.optional(), keepSent: z.boolean({ error: 'must be true or false' }).optional() },
              { error: notAnObject },
            )
            .optional(),
        },
        { error: notAnObject },
      )
      .optional(),
  },
  { error: notAnObject },
)

function notAnObject(issue: { readonly code?: string | undefined }): string | undefined {
  return issue.code === 'invalid_type' ? 'must be an object' : undefined
}

/** Where, and what would be right; never the value. */
function problemsOf(issue: z.core.$ZodIssue): readonly { path: string; message: string }[] {
  const path = issue.path.map(String)
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ path: [...path, key].join('.'), message: 'is not an option' }))
  return [{ path: path.join('.') || 'default', message: issue.message }]
}
