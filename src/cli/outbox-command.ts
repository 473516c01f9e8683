import type { OperationResult, ParkedRow, ParkedSelection } from 'holdfast'
import { databaseAddress } from './database-address.ts'
import { EXIT } from './exit-codes.ts'
import { loadConfiguration, unfit } from './load-configuration.ts'
import { outboxName, withOutbox } from './outbox-database.ts'
import { paintFor } from './paint.ts'
import { printable } from './printable.ts'
import type { CliSurroundings } from './surroundings.ts'
import { columns } from './table.ts'

/** What all commands of an outbox take. */
interface OutboxFlags {
  readonly config?: string
  readonly json?: boolean
  readonly schema?: string
  readonly outboxTable?: string
  readonly databaseUrl?: string
  readonly topic?: string
}

/** What `holdfast outbox list` takes. */
export interface OutboxListOptions extends OutboxFlags {
  readonly limit?: string
  readonly keys?: boolean
}

/** What `holdfast outbox retry` and `holdfast outbox discard` take. */
export interface OutboxChangeOptions extends OutboxFlags {
  readonly id?: string
  readonly all?: boolean
  readonly yes?: boolean
}

const MOST_LISTED = 100_000

/** Lists parked rows. */
export async function outboxListCommand(options: OutboxListOptions, surroundings: CliSurroundings): Promise<number> {
  const { output, environment } = surroundings
  const { config } = await loadConfiguration(surroundings, options.config)
  const limit = /^\d+$/.test(options.limit ?? '100') ? Number(options.limit ?? 100) : NaN
  if (!(limit >= 1 && limit <= MOST_LISTED))
    throw unfit('the call does not fit', [
      { path: '--limit', message: `must be an integer of 1 to ${MOST_LISTED.toLocaleString('en-US')}` },
    ])
  const address = databaseAddress(options.databaseUrl, environment, config)
  const topic = options.topic === undefined ? {} : { topic: options.topic }
  const rows = await withOutbox(address, outboxName(options, config), surroundings, (operations) =>
    operations.list({ ...topic, limit }),
  )
  const keys = options.keys === true
  if (options.json === true)
    output.write(
      `${JSON.stringify({ database: address.shown, parked: rows.map((row) => rowJson(row, keys)) }, null, 2)}\n`,
    )
  else output.write(printable(listed(rows, limit, keys)))
  return EXIT.fine
}

/** Puts parked rows back, or gives them up. */
export async function outboxChangeCommand(
  what: 'retry' | 'discard',
  options: OutboxChangeOptions,
  surroundings: CliSurroundings,
): Promise<number> {
  const { output, errors, environment, signal } = surroundings
  const { config } = await loadConfiguration(surroundings, options.config)
  const selection = selectionOf(options)
  if (what === 'discard' && options.yes !== true && surroundings.ask === undefined)
    throw unfit('the call does not fit', [
      { path: '--yes', message: 'is needed where nobody can be asked: what is discarded is never sent' },
    ])
  const address = databaseAddress(options.databaseUrl, environment, config)
  if (what === 'discard' && options.yes !== true) {
    const answer = await surroundings.ask!(
      printable(`Discard ${shown(selection)} of ${address.shown}? They are never sent. [y/N] `),
    )
    if (!/^y(es)?$/i.test(answer.trim())) {
      errors.write('nothing was discarded\n')
      return EXIT.broken
    }
  }
  let began = false
  let result: OperationResult
  try {
    result = await withOutbox(address, outboxName(options, config), surroundings, (operations) => {
      began = true
      return operations[what](selection)
    })
  } catch (error) {
    if (signal.aborted) {
      const changed = began ? 'nobody knows whether it was done: holdfast outbox list tells' : 'nothing was changed'
      errors.write(`${paintFor(errors, environment).bad('stopped')}: ${changed}\n`)
    }
    throw error
  }
  output.write(
    options.json === true
      ? `${JSON.stringify({ database: address.shown, ...result }, null, 2)}\n`
      : printable(report(what, result, selection)),
  )
  // A message that is named and not there is a mistake of somebody’s; that nothing at all is parked is what one hopes for.
  return result.parked === 0 && selection.kind === 'message' ? EXIT.broken : EXIT.fine
}

/** @throws HOLDFAST_CONFIG_INVALID unless one thing was said */
function selectionOf({ id, topic, all }: OutboxChangeOptions): ParkedSelection {
  const given: readonly (ParkedSelection | null)[] = [
    id === undefined ? null : { kind: 'message', id },
    topic === undefined ? null : { kind: 'topic', topic },
    all === true ? { kind: 'all' } : null,
  ]
  const selections = given.filter((each) => each !== null)
  if (selections.length === 1 && id !== '' && topic !== '') return selections[0]!
  throw unfit('the call does not fit', [
    { path: '--id', message: 'say which rows: one of --id <message>, --topic <name> and --all' },
  ])
}

function shown(selection: ParkedSelection): string {
  if (selection.kind === 'message') return `the parked message ${selection.id}`
  return selection.kind === 'topic' ? `all parked rows of ${selection.topic}` : 'all parked rows'
}

function report(what: 'retry' | 'discard', { parked, released }: OperationResult, selection: ParkedSelection): string {
  if (parked === 0)
    return selection.kind === 'message'
      ? `no parked row has the message id ${selection.id}\n`
      : `nothing is parked${selection.kind === 'topic' ? ` of ${selection.topic}` : ''}\n`
  const done = what === 'retry' ? 'put back' : 'discarded'
  return `${done} ${rowsOf(parked)}; ${rowsOf(released)} behind ${what === 'retry' ? 'follow' : 'are sent'}\n`
}

function listed(rows: readonly ParkedRow[], limit: number, keys: boolean): string {
  if (rows.length === 0) return 'nothing is parked\n'
  const heading = ['message', 'topic', ...(keys ? ['key'] : []), 'parked', 'behind', 'bytes', 'code', 'reason']
  const cells = rows.map((row) => [
    row.id,
    row.topic,
    ...(keys ? [keyText(row.key)] : []),
    row.parkedAt.toISOString(),
    String(row.behind),
    String(row.bytes),
    row.code,
    row.reason,
  ])
  const more = rows.length === limit ? `\nthe first ${rowsOf(limit)}: --limit shows more\n` : ''
  return `${columns([heading, ...cells].map((line) => line.map(oneLine))).join('\n')}\n${more}`
}

function rowJson(row: ParkedRow, keys: boolean): object {
  const { rowId, key, ...rest } = row
  const shownKey = keys ? { key: key === null ? null : Buffer.from(key).toString('base64') } : {}
  return { rowId: String(rowId), ...rest, ...shownKey }
}

/** As text where it is text, else in hexadecimal digits. */
function keyText(key: Uint8Array | null): string {
  if (key === null) return '-'
  const text = new TextDecoder().decode(key)
  return Buffer.from(text).equals(key) ? text : `0x${Buffer.from(key).toString('hex')}`
}

function oneLine(text: string): string {
  return text.replace(/[\n\r\t]+/g, ' ')
}

function rowsOf(count: number): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? 'row' : 'rows'}`
}
