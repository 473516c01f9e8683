import { createRequire } from 'node:module'
import { HoldfastError } from 'holdfast'
import { Command, CommanderError } from 'commander'
import { EXIT } from './exit-codes.ts'
import { explainError } from './explain-error.ts'
import { hidePasswords } from './hide-passwords.ts'
import type { MigrateOptions } from './migrate-command.ts'
import { migrateCommand } from './migrate-command.ts'
import { hasColours, paintFor } from './paint.ts'
import type { PlanOptions } from './plan-command.ts'
import { planCommand } from './plan-command.ts'
import type { CliSurroundings } from './surroundings.ts'

/**
 * Runs one command. Never rejects: what goes wrong is said on `errors`.
 *
 * @param args - without the program's own name
 * @returns the exit code.
 */
export async function runCli(args: readonly string[], surroundings: CliSurroundings): Promise<number> {
  const { errors, environment, signal } = surroundings
  let code: number = EXIT.fine
  const program = createProgram(surroundings, (ended) => (code = ended))
  try {
    await program.parseAsync([...args], { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.fine : EXIT.badCall // it has said what
    if (signal.aborted) return EXIT.stopped
    errors.write(`${paintFor(errors, environment).bad('error')}: ${explainError(error)}\n`)
    return HoldfastError.is(error, 'HOLDFAST_CONFIG_INVALID') ? EXIT.badCall : EXIT.broken
  }
}

/**
 * By commander, since the command grows: nested commands, the help of each, and the nearest name for a misspelt one, of which `util.parseArgs` has
 * none.
 */
function createProgram(surroundings: CliSurroundings, onEnd: (code: number) => void): Command {
  const { output, errors, environment } = surroundings
  const program = new Command('holdfast')
    .description('The command of Holdfast, the Kafka reliability SDK.')
    .version(version(), '-V, --version', 'print the version')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output.write(text),
      writeErr: (text) => errors.write(hidePasswords(text)), // it quotes what it was given
      getOutHasColors: () => hasColours(output, environment),
      getErrHasColors: () => hasColours(errors, environment),
    })
    .showHelpAfterError('--help tells what there is')
    .addHelpText('after', AFTER_HELP)

  common(program.command('plan'))
    .summary('print what each consumer will do, and which bounds hold')
    .description(
      'Prints for each consumer of the configuration what it will do, topic by topic, and the bounds that its promises rest on, with their arithmetic. Connects to nothing.',
    )
    .addHelpText('after', PLAN_HELP)
    .action(async (options: PlanOptions) => onEnd(await planCommand(options, surroundings)))

  const postgres = program
    .command('postgres')
    .description('The tables of dedupe stores, inboxes and the outbox in PostgreSQL.')
  common(postgres.command('migrate'))
    .summary('make the table of stores and inboxes, and the outbox')
    .description(
      'Makes the table that postgresDedupeStore and the inboxes use, and the outbox and the sequence of locks where they are asked for, as far as they are not there: in one transaction, under a lock, so that two deploys at once do not clash. Safe to run again.',
    )
    .option('--print', 'print the SQL for review, and connect to nothing')
    .option('--schema <name>', 'the schema of all of them (default: that of the configuration, else public)')
    .option(
      '--table <name>',
      'the table of stores and inboxes (default: that of the configuration, else holdfast_dedupe)',
    )
    .option('--outbox', 'also the outbox (default: where the configuration has postgres.outbox)')
    .option(
      '--outbox-table <name>',
      'also the outbox, by this name (default: that of the configuration, else holdfast_outbox)',
    )
    .option('--keep-sent', 'also the outbox, and the table that keeps rows that were sent, for keepSentMs')
    .option('--lock', 'also the sequence that postgresLock draws its fencing tokens from')
    .option(
      '--database-url <url>',
      'postgres://user:password@host:port/database (default: DATABASE_URL, else postgres.url of the configuration)',
    )
    .addHelpText('after', MIGRATE_HELP)
    .action(async (options: MigrateOptions) => onEnd(await migrateCommand(options, surroundings)))

  return program
}

function common(command: Command): Command {
  return command
    .option(
      '--config <file>',
      'the configuration (default: holdfast.config.mjs, .js, .ts, .mts or .json in this folder)',
    )
    .option('--json', 'print JSON, for machines')
}

const EXIT_HELP = `
Exit codes: 0 fine, 1 something does not hold or could not be done, 2 the call or the configuration is wrong.`

const AFTER_HELP = `
Examples:
  holdfast plan
  holdfast postgres migrate --print
${EXIT_HELP}`

const PLAN_HELP = `
Examples:
  holdfast plan                              what the consumers of holdfast.config.mjs will do
  holdfast plan --config deploy/plan.mjs     of another file
  holdfast plan --json | jq .bounds          for machines
${EXIT_HELP}`

const MIGRATE_HELP = `
Examples:
  holdfast postgres migrate --print > migrations/007-holdfast.sql
  holdfast postgres migrate --outbox --keep-sent --print
  holdfast postgres migrate --database-url postgres://deploy@db/shop
  DATABASE_URL=postgres://deploy@db/shop holdfast postgres migrate --schema inventory
${EXIT_HELP}`

function version(): string {
  const manifest: unknown = createRequire(import.meta.url)('holdfast/package.json')
  return String(Reflect.get(Object(manifest), 'version'))
}
