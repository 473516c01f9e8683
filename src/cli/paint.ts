import { styleText } from 'node:util'
import type { CliSurroundings, TextOutput } from './surroundings.ts'

/** Makes text stand out where somebody sees colours, and leaves it as it is elsewhere. */
export interface Paint {
  good(text: string): string
  bad(text: string): string
  doubtful(text: string): string
  heading(text: string): string
  faint(text: string): string
}

/** Colours on a terminal alone, and not where [NO_COLOR](https://no-color.org) is set. */
export function paintFor(output: TextOutput, environment: CliSurroundings['environment']): Paint {
  const colours = hasColours(output, environment)
  const as =
    (format: Parameters<typeof styleText>[0]) =>
    (text: string): string =>
      colours ? styleText(format, text, { validateStream: false }) : text
  return { good: as('green'), bad: as(['red', 'bold']), doubtful: as('yellow'), heading: as('bold'), faint: as('dim') }
}

/** Does what is written here get colours? */
export function hasColours({ isTerminal }: TextOutput, environment: CliSurroundings['environment']): boolean {
  return isTerminal && (environment['NO_COLOR'] ?? '') === '' && environment['TERM'] !== 'dumb'
}
