import type { Problem } from '../errors/index.ts'

/** What is wrong with options that are whole numbers from 1. */
export function countProblems(counts: Readonly<Record<string, number>>): Problem[] {
  return Object.entries(counts)
    .filter(([, value]) => !isCount(value))
    .map(([path]) => ({ path, message: 'an integer from 1 is needed' }))
}

/** A misspelt option would be taken for its default. */
export function unknownOptions(given: object, known: readonly string[]): Problem[] {
  return Object.keys(given)
    .filter((name) => !known.includes(name))
    .map((path) => ({ path, message: 'is not an option' }))
}

/** Is it a whole number from 1? */
export function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1
}
