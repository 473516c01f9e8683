import type { Problem } from '../errors/index.ts'
import { describeForeignError } from '../errors/index.ts'
import { formatFieldPath, WHOLE_VALUE } from './field-path.ts'
import type { StandardIssue, StandardResult, StandardSchema } from './standard-schema.ts'
import type { Topic } from './topic.ts'
import { createZodValidator } from './zod-validator.ts'

/** What validating a value came to. */
export type Validation<Output> =
  | { readonly kind: 'valid'; readonly value: Output }
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] }
  /** The validator itself failed. */
  | { readonly kind: 'broken'; readonly problems: readonly Problem[] }

/**
 * Validates a value by the schema of a topic; answers at once when the validator does. Never throws and never rejects, whatever
 * the validator does. Problems hold places and kinds alone: a validator's own messages may hold the value.
 */
export function validate<Output>(
  topic: Pick<Topic<unknown, Output>, 'schema'>,
  value: unknown,
): Validation<Output> | Promise<Validation<Output>> {
  let result: StandardResult<Output> | Promise<StandardResult<Output>>
  try {
    result = validatorOf(topic.schema)(value)
  } catch (error) {
    return broken(error)
  }
  if (!isPromiseLike(result)) return validationOf(result)
  return Promise.resolve(result).then(validationOf, broken<Output>)
}

type Validator<Output> = StandardSchema<unknown, Output>['~standard']['validate']

/** One for each schema: what it has learned of one value holds for the next. */
const validators = new WeakMap<object, Validator<unknown>>()

function validatorOf<Output>(schema: StandardSchema<unknown, Output>): Validator<Output> {
  const known = validators.get(schema) as Validator<Output> | undefined
  if (known !== undefined) return known
  const made: Validator<Output> = createZodValidator(schema) ?? ((value) => schema['~standard'].validate(value))
  validators.set(schema, made)
  return made
}

/** Is it a promise, of whatever make? */
export function isPromiseLike<T>(thing: T | PromiseLike<T>): thing is PromiseLike<T> {
  return typeof thing === 'object' && thing !== null && 'then' in thing && typeof thing.then === 'function'
}

function validationOf<Output>(result: StandardResult<Output>): Validation<Output> {
  try {
    if (result.issues === undefined) return { kind: 'valid', value: result.value }
    const problems = result.issues.slice(0, MAX_PROBLEMS).map(problemOf)
    const more = result.issues.length - problems.length
    if (more > 0) problems.push({ path: WHOLE_VALUE, message: `has ${more} more problems` })
    if (problems.length === 0) problems.push({ path: WHOLE_VALUE, message: DOES_NOT_FIT })
    return { kind: 'invalid', problems }
  } catch (error) {
    return broken(error) // an answer that is not the one of a Standard Schema
  }
}

function problemOf(issue: StandardIssue): Problem {
  const path = (issue.path ?? []).map((part) => (typeof part === 'object' && part !== null ? part.key : part))
  return { path: formatFieldPath(path), message: describeIssue(issue) }
}

// `code` (zod, arktype) and `type` (valibot) come from the schema, and so does an `expected` that is a mere word. Anything longer
// may quote the value.
function describeIssue(issue: StandardIssue): string {
  const { code, type, expected } = issue as unknown as Readonly<Record<string, unknown>>
  const rule = [code, type].find((each) => typeof each === 'string' && /^[a-z_]{1,40}$/i.test(each))
  const kind = typeof expected === 'string' && /^[A-Za-z_]{1,24}$/.test(expected) ? `expected ${expected}` : undefined
  const said = [rule, kind].filter((each): each is string => typeof each === 'string').join(', ')
  return said === '' ? DOES_NOT_FIT : `${DOES_NOT_FIT} (${said})`
}

function broken<Output>(error: unknown): Validation<Output> {
  return {
    kind: 'broken',
    problems: [{ path: WHOLE_VALUE, message: `the validator threw ${describeForeignError(error)}` }],
  }
}

const DOES_NOT_FIT = 'does not fit the schema'
const MAX_PROBLEMS = 20 // a list of a million bad items must not become a message of a million lines
