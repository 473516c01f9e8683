import { nameProblems, quoted } from '../../database/index.ts'
import type { Problem } from '../../errors/index.ts'

/** Where the fencing tokens of locks come from. */
export interface LockSequence {
  /** @defaultValue `public` */
  readonly schema?: string
  /** @defaultValue `holdfast_lock_token` */
  readonly sequence?: string
}

/** What is wrong with the names. */
export function sequenceProblems({ schema, sequence }: LockSequence): Problem[] {
  return [
    ...(schema === undefined ? [] : nameProblems('schema', schema)),
    ...(sequence === undefined ? [] : nameProblems('sequence', sequence)),
  ]
}

/** The sequence as SQL names it. */
export function qualifiedSequence({ schema = 'public', sequence = 'holdfast_lock_token' }: LockSequence): string {
  return `${quoted(schema)}.${quoted(sequence)}`
}

/**
 * The SQL that makes the sequence, or leaves the one that is there. All names share it: a token grows from holder to holder of a name, with
 * gaps. It hands out one at a time: sessions that each had a stock would give a later holder the smaller token.
 */
export function lockSequenceSql(where: LockSequence): string {
  return `create sequence if not exists ${qualifiedSequence(where)} as bigint cache 1 no cycle;
`
}

/** What to do about a sequence that is not there. */
export function sequenceIsMissing(where: LockSequence): string {
  return `${qualifiedSequence(where)} is not there: make it with postgresLockSql()`
}
