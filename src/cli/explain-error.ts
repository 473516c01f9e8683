import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HoldfastError } from 'holdfast'
import { hidePasswords } from './hide-passwords.ts'
import { printable } from './printable.ts'

/** What went wrong, for a terminal; and where somebody else's code has thrown it. */
export function explainError(error: unknown): string {
  if (!HoldfastError.is(error)) return shown(stackOf(error))
  return shown(error.cause === undefined ? error.message : `${error.message}\n${stackOf(error.cause)}`)
}

function shown(text: string): string {
  return printable(hidePasswords(text))
}

/** Without the frames of Node.js and of this command, which say nothing about what was thrown. */
function stackOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return `threw ${String(thrown)}`
  const lines = (thrown.stack ?? `${thrown.name}: ${thrown.message}`).split('\n')
  return lines.filter((line) => !/^\s+at /.test(line) || !OWN.some((own) => line.includes(own))).join('\n')
}

const OWN = ['node:internal/', '/commander/', dirname(fileURLToPath(import.meta.url))]
