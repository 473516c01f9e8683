import type { HoldfastConfig } from 'holdfast'
import { unfit } from './load-configuration.ts'
import type { CliSurroundings } from './surroundings.ts'

/** Where a database is. Nothing of it is to be shown but what {@link DatabaseAddress.shown} is. */
export interface DatabaseAddress {
  readonly url: string
  /** Without its password, and without options that may hold one. */
  readonly shown: string
  /** A text without the password, wherever it stands in it. */
  hide(text: string): string
}

/**
 * The database of a command: by `--database-url`, else `DATABASE_URL`, else the configuration.
 *
 * @throws HOLDFAST_CONFIG_INVALID
 */
export function databaseAddress(
  flag: string | undefined,
  environment: CliSurroundings['environment'],
  { postgres }: HoldfastConfig,
): DatabaseAddress {
  const given: readonly (readonly [path: string, url: string | undefined])[] = [
    ['--database-url', flag],
    ['DATABASE_URL', environment['DATABASE_URL'] || undefined],
    ['postgres.url', postgres?.url],
  ]
  const [path, url] = given.find(([, each]) => each !== undefined) ?? []
  if (path === undefined || url === undefined)
    throw unfit('no database is named', [
      {
        path: '--database-url',
        message: 'give it, set DATABASE_URL, or write postgres.url into the configuration; --print needs none',
      },
    ])
  const parsed = URL.canParse(url) ? new URL(url) : null
  if (parsed === null || !['postgres:', 'postgresql:'].includes(parsed.protocol))
    throw unfit('the address of the database does not fit', [
      { path, message: 'must be like postgres://user:password@host:5432/database' },
    ])
  const secrets = secretsOf(parsed)
  const user = parsed.username === '' ? '' : `${parsed.username}@`
  return {
    url,
    shown: `${parsed.protocol}//${user}${parsed.host}${parsed.pathname}`,
    hide: (text) => secrets.reduce((hidden, secret) => hidden.replaceAll(secret, '***'), text),
  }
}

/** As it stands in the address, and as it is meant: a client may say either. */
function secretsOf(url: URL): readonly string[] {
  const written = [url.password, ...['password', 'sslpassword'].map((name) => url.searchParams.get(name) ?? '')]
  return [...new Set([...written, ...written.map(decoded)])]
    .filter((secret) => secret !== '')
    .toSorted((a, b) => b.length - a.length)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
