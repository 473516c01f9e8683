import { describeError, describeForLog } from '../errors/index.ts'
import type { Logger } from '../logger/index.ts'
import type { ErrorRule, ErrorVerdict } from './subscription-options.ts'

/**
 * What the rules say about something thrown: the first that matches decides, `retry` when none does. Never throws: a predicate
 * that does is no match, and is logged, or else a bug in it would decide what becomes of a record.
 */
export function verdictOf(thrown: unknown, rules: readonly ErrorRule[], logger: Logger): ErrorVerdict {
  for (const rule of rules) {
    try {
      if (matches(thrown, rule.when)) return rule.verdict
    } catch (error) {
      logger.error(
        { verdict: rule.verdict, error: describeForLog(error) },
        'an error rule threw; it counts as no match',
      )
    }
  }
  return 'retry'
}

function matches(thrown: unknown, when: ErrorRule['when']): boolean {
  if (typeof when !== 'function') return describeError(thrown, { maxMessage: 1, maxStack: 1 }).code === when.code
  if (isErrorClass(when)) return thrown instanceof when
  return when(thrown)
}

/** A class of errors is told from a predicate by its prototype: a predicate has none, or a plain one. */
function isErrorClass(
  when: Exclude<ErrorRule['when'], { code: string }>,
): when is abstract new (...args: never[]) => Error {
  return when === Error || when.prototype instanceof Error
}
