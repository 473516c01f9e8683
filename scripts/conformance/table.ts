import { readFileSync } from 'node:fs'
import { format, resolveConfig } from 'prettier'
import type { Capabilities } from '../../src/driver/index.ts'
import type { ConformanceOutcome, ConformanceResult } from '../../src/testing/index.ts'

/** One driver's column. */
export interface TableColumn {
  /** `kafkajs`. */
  readonly name: string
  /** What it ran as and on: `kafkajs 2.2.4, Apache Kafka 4.3.1`. */
  readonly version: string
  readonly capabilities: Capabilities
  /** Of the whole suite, in its order. */
  readonly results: readonly ConformanceResult[]
}

/** The page that holds the table. */
export const TABLE_PAGE = 'docs/drivers.md'

const BEGIN = '<!-- conformance:begin -->'
const END = '<!-- conformance:end -->'

/** The results as Markdown, as Prettier would have it; columns are drivers, rows are promises. */
export async function renderTable(columns: readonly TableColumn[]): Promise<string> {
  const [first] = columns
  if (first === undefined || columns.some(({ results }) => results.length !== first.results.length)) {
    throw new Error('a table needs drivers that went through the same suite')
  }
  const names = columns.map(({ name }) => name)
  const markdown = [
    '<!-- Written by `npm run conformance`; a test compares it with what a run gives. -->',
    `${columns.map(({ version }) => version).join('; ')}.`,
    row(['capability', ...names]),
    row(names.concat('').map(() => '---')),
    ...flags(columns).map((flag) =>
      row([`\`${flag}\``, ...columns.map(({ capabilities }) => worth(capabilities[flag]))]),
    ),
    '',
    row(['promise', ...names]),
    row(names.concat('').map(() => '---')),
    ...first.results.flatMap(({ subject, promise }, i) => [
      ...(subject === first.results[i - 1]?.subject ? [] : [row([`**${subject}**`, ...names.map(() => '')])]),
      row([escape(promise), ...columns.map(({ results }) => cell(results[i]!.outcome))]),
    ]),
    '',
    ...columns.flatMap(reasons),
  ]
  const config = await resolveConfig(TABLE_PAGE)
  const formatted = await format(spaced(markdown).join('\n'), { ...config, parser: 'markdown' })
  return formatted.trim()
}

/** The table that the page has now. */
export function tableInPage(): string {
  const page = readFileSync(TABLE_PAGE, 'utf8')
  return page.slice(place(page).from, place(page).to).trim()
}

/** The page with this table in place of the one it has. */
export function pageWith(table: string): string {
  const page = readFileSync(TABLE_PAGE, 'utf8')
  const { from, to } = place(page)
  return `${page.slice(0, from)}\n\n${table}\n\n${page.slice(to)}`
}

function place(page: string): { readonly from: number; readonly to: number } {
  const [begin, to] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (begin < 0 || to < begin) throw new Error(`${TABLE_PAGE} has no ${BEGIN} … ${END}`)
  return { from: begin + BEGIN.length, to }
}

function flags(columns: readonly TableColumn[]): readonly (keyof Capabilities)[] {
  return Object.keys(columns[0]!.capabilities) as (keyof Capabilities)[]
}

function worth(value: Capabilities[keyof Capabilities]): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return typeof value === 'string' ? value : value.join(', ')
}

function cell(outcome: ConformanceOutcome): string {
  if (outcome.kind === 'kept') return '✓'
  if (outcome.kind === 'untestable') return 'not testable here'
  if (outcome.kind === 'otherwise') return `${outcome.claimed ? 'claims more' : 'not claimed'}: \`${outcome.flag}\``
  return outcome.kind === 'broken' ? '**broken**' : '**not run**'
}

function reasons({ name, results }: TableColumn): readonly string[] {
  return results.flatMap(({ promise, outcome }) =>
    outcome.kind === 'untestable'
      ? [`Not testable with ${name}: “${escape(promise)}”, for ${outcome.reason}.`, '']
      : [],
  )
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

function escape(text: string): string {
  return text.replace(/[\\_*|<`]/g, '\\$&')
}

/** Markdown wants an empty line between a table and what is none. */
function spaced(lines: readonly string[]): readonly string[] {
  return lines.flatMap((line, i) =>
    line.startsWith('|') && i > 0 && !lines[i - 1]!.startsWith('|') ? ['', line] : [line],
  )
}
