import { createRequire } from 'node:module'
import { HoldfastError } from 'holdfast'
import { Command, CommanderError, Option } from 'commander'
import type { AuditCommandOptions } from './audit-command.ts'
import { auditCommand } from './audit-command.ts'
import { EXIT } from './exit-codes.ts'
import { explainError } from './explain-error.ts'
import { hidePasswords } from './hide-passwords.ts'
import type { MigrateOptions } from './migrate-command.ts'
import { migrateCommand } from './migrate-command.ts'
import type { OutboxChangeOptions, OutboxListOptions } from './outbox-command.ts'
import { outboxChangeCommand, outboxListCommand } from './outbox-command.ts'
import { hasColours, paintFor } from './paint.ts'
import type { PlanOptions } from './plan-command.ts'
import { planCommand } from './plan-command.ts'
import type { RelayCommandOptions } from './relay-command.ts'
import { relayCommand } from './relay-command.ts'
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
    .addOption(databaseUrl())
    .addHelpText('after', MIGRATE_HELP)
    .action(async (options: MigrateOptions) => onEnd(await migrateCommand(options, surroundings)))

  common(program.command('audit'))
    .summary('compare an outbox, topics and an inbox, message by message')
    .description(
      'Compares two sides by message id and key, and tells what is missing, duplicate or reordered, with ranges and times. Reads both, writes to neither, and never shows a payload.',
    )
    .requiredOption('--from <side>', 'what has to be on the other side: outbox, or topic:<name>')
    .requiredOption('--to <side>', 'where it has to be: topic:<name>, or inbox')
    .option('--group <id>', 'whose inbox: its consumer group')
    .option('--handler <name>', 'whose inbox: its handler (default: the name of the topic)')
    .option('--since <time>', 'judge what happened from here on: an ISO time, or 2h for two hours ago (default: all)')
    .option('--until <time>', 'judge what happened before this (default: all)')
    .option('--grace <duration>', 'a younger message that is not there is not missing (default: 30s)')
    .option('--extra [source]', 'find what is only on the other side, too; of this holdfast-source')
    .option('--memory-mb <mb>', 'the most memory for messages; the rest goes to disk (default: 64)')
    .option('--show <count>', 'how many ranges of each kind are listed (default: 20)')
    .option('--keys', 'show keys, not their hashes alone')
    .option('--brokers <list>', 'host:port,host:port (default: the driver of the configuration)')
    .option('--schema <name>', 'the schema of the tables (default: that of the configuration, else public)')
    .option('--outbox-table <name>', 'the outbox (default: that of the configuration, else holdfast_outbox)')
    .option('--inbox-table <name>', 'the inbox (default: that of the configuration, else holdfast_dedupe)')
    .addOption(databaseUrl())
    .addHelpText('after', AUDIT_HELP)
    .action(async (options: AuditCommandOptions) => onEnd(await auditCommand(options, surroundings)))

  const outbox = program
    .command('outbox')
    .description('The outbox in PostgreSQL: what it sends, and what it could not.')
  of(outbox.command('list'))
    .summary('list rows that Kafka has refused')
    .description(
      'Lists the rows that Kafka has refused, oldest first, with the reason of each and how many rows of its key wait behind it. Never shows a payload.',
    )
    .option('--topic <name>', 'of this topic alone')
    .option('--limit <count>', 'how many at most (default: 100)')
    .option('--keys', 'show keys too')
    .addHelpText('after', OUTBOX_LIST_HELP)
    .action(async (options: OutboxListOptions) => onEnd(await outboxListCommand(options, surroundings)))
  which(of(outbox.command('retry')))
    .summary('put refused rows back to be sent')
    .description(
      'Puts parked rows back, before those that wait behind them: when what stood in the way is gone. Relays at work notice within a third of their lease.',
    )
    .addHelpText('after', OUTBOX_RETRY_HELP)
    .action(async (options: OutboxChangeOptions) => onEnd(await outboxChangeCommand('retry', options, surroundings)))
  which(of(outbox.command('discard')))
    .summary('give refused rows up: they are never sent')
    .description(
      'Gives parked rows up for good, and lets those that wait behind them be sent. Asks first; where nobody can be asked, --yes is needed.',
    )
    .option('--yes', 'do not ask')
    .addHelpText('after', OUTBOX_DISCARD_HELP)
    .action(async (options: OutboxChangeOptions) => onEnd(await outboxChangeCommand('discard', options, surroundings)))
  common(outbox.command('relay'))
    .summary('run the relay of the configuration')
    .description(
      'Runs what the configuration exports as relay, until SIGTERM or SIGINT: then it lets what is under way end, and gives its buckets back.',
    )
    .option('--until-empty', 'end as soon as nothing waits that can be sent')
    .addHelpText('after', OUTBOX_RELAY_HELP)
    .action(async (options: RelayCommandOptions) => onEnd(await relayCommand(options, surroundings)))

  return program
}

/** Where an outbox is. */
function of(command: Command): Command {
  return common(command)
    .option('--schema <name>', 'the schema of the outbox (default: that of the configuration, else public)')
    .option('--outbox-table <name>', 'its table (default: that of the configuration, else holdfast_outbox)')
    .addOption(databaseUrl())
}

function databaseUrl(): Option {
  return new Option(
    '--database-url <url>',
    'postgres://user:password@host:port/database (default: DATABASE_URL, else postgres.url of the configuration)',
  )
}

/** Which of its rows. */
function which(command: Command): Command {
  return command
    .option('--id <message>', 'the row of this message')
    .option('--topic <name>', 'all of this topic')
    .option('--all', 'all of them')
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

const AUDIT_HELP = `
Examples:
  holdfast audit --from outbox --to topic:orders                       is all that was enqueued on the topic, once and in order?
  holdfast audit --from topic:orders --to inbox --group inventory      has the group handled all that it has committed?
  holdfast audit --from topic:orders --to topic:mirror.orders --since 2h --until 5min
  holdfast audit --from outbox --to topic:orders --json | jq .counts   for machines
${EXIT_HELP}`

const MIGRATE_HELP = `
Examples:
  holdfast postgres migrate --print > migrations/007-holdfast.sql
  holdfast postgres migrate --outbox --keep-sent --print
  holdfast postgres migrate --database-url postgres://deploy@db/shop
  DATABASE_URL=postgres://deploy@db/shop holdfast postgres migrate --schema inventory
${EXIT_HELP}`

const OUTBOX_LIST_HELP = `
Examples:
  holdfast outbox list                       what is parked, and why
  holdfast outbox list --topic orders --json
${EXIT_HELP}`

const OUTBOX_RETRY_HELP = `
Examples:
  holdfast outbox retry --id 01987f4e-6c1b-7000-8000-3f2a9d1c5b7e
  holdfast outbox retry --topic orders       the topic is there again
${EXIT_HELP}`

const OUTBOX_DISCARD_HELP = `
Examples:
  holdfast outbox discard --id 01987f4e-6c1b-7000-8000-3f2a9d1c5b7e
  holdfast outbox discard --topic orders --yes
${EXIT_HELP}`

const OUTBOX_RELAY_HELP = `
Examples:
  holdfast outbox relay                      until it is stopped
  holdfast outbox relay --until-empty        in a job, or before a migration
  holdfast outbox relay --json               one object a line
${EXIT_HELP}`

function version(): string {
  const manifest: unknown = createRequire(import.meta.url)('holdfast/package.json')
  return String(Reflect.get(Object(manifest), 'version'))
}
