import type { StandardResult, StandardSchema } from './standard-schema.ts'

/** What a schema of zod 4 has beside `~standard`: what zod's own `~standard.validate` and its `safeParseAsync` call. */
interface ZodSchema {
  readonly _zod: {
    readonly run: (payload: Payload, context: { readonly async: boolean }) => Payload | Promise<Payload>
  }
}

interface Payload {
  readonly value: unknown
  readonly issues: readonly RawIssue[]
}

/** Without its message, which nobody may see anyway. */
type RawIssue = Extract<StandardResult<unknown>, { issues: readonly unknown[] }>['issues'][number]

/** What a schema of zod 3 has. */
interface Zod3Schema extends StandardSchema {
  readonly _def: object
  readonly safeParse: (value: unknown) => {
    readonly success: boolean
    readonly data?: unknown
    readonly error?: { readonly issues: readonly RawIssue[] }
  }
}

/**
 * Makes a validator of a schema of zod; null for any other. Zod 4's own `~standard.validate` tries each value synchronously first and drops
 * the promise that it meets: a check that rejects would end the process as an unhandled rejection, and one that does not would run twice.
 * A check that throws at once would be told as one that rejects.
 *
 * A schema that declares an `async` function is never tried synchronously; any other not before it has given a value without a promise.
 * Left is a function that gives a promise without being declared `async`, which no value has reached before: docs/topics.md warns of it.
 * Zod 3 drops the first promise of each schema, and tells a check that throws as one that rejects: only the latter can be mended from here.
 */
export function createZodValidator<Output>(
  schema: StandardSchema<unknown, Output>,
): ((value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>) | null {
  if (!isZod(schema)) return isZod3(schema) ? createZod3Validator<Output>(schema) : null
  const { _zod: zod } = schema
  let mode: 'unknown' | 'synchronous' | 'asynchronous' = declaresAsync(schema) ? 'asynchronous' : 'unknown'

  const validateEither = (value: unknown): StandardResult<Output> | Promise<StandardResult<Output>> => {
    const payload = zod.run({ value, issues: [] }, { async: true })
    if (payload instanceof Promise) {
      mode = 'asynchronous'
      return payload.then(resultOf<Output>)
    }
    if (mode === 'unknown' && payload.issues.length === 0) mode = 'synchronous' // a value that does not fit may not have reached all checks
    return resultOf(payload)
  }

  return (value) => {
    if (mode !== 'synchronous') return validateEither(value)
    try {
      return resultOf(zod.run({ value, issues: [] }, { async: false }) as Payload)
    } catch {
      return validateEither(value) // it has met a promise; or a check throws, and does so again
    }
  }
}

function isZod(schema: object): schema is ZodSchema {
  const { _zod: zod } = schema as Partial<ZodSchema>
  return typeof zod === 'object' && zod !== null && typeof zod.run === 'function'
}

function createZod3Validator<Output>(
  schema: Zod3Schema,
): (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>> {
  const standard = schema['~standard'] as StandardSchema<unknown, Output>['~standard'] & { readonly async?: boolean }
  return (value) => {
    if (standard.async === true) return standard.validate(value) // it has met a promise before, and has noted that
    try {
      const { success, data, error } = schema.safeParse(value)
      return success ? { value: data as Output } : { issues: error!.issues }
    } catch (thrown) {
      if (thrown instanceof Error && /\bencountered\b/i.test(thrown.message)) return standard.validate(value)
      throw thrown
    }
  }
}

function isZod3(schema: object): schema is Zod3Schema {
  const { _def: definition, safeParse } = schema as Partial<Zod3Schema>
  const { vendor } = (schema as StandardSchema)['~standard']
  return vendor === 'zod' && typeof definition === 'object' && typeof safeParse === 'function'
}

function resultOf<Output>({ value, issues }: Payload): StandardResult<Output> {
  return issues.length === 0 ? { value: value as Output } : { issues }
}

/** Is any function in it declared `async`: a refinement, a transform, a check? */
function declaresAsync(schema: unknown): boolean {
  const seen = new Set<unknown>()
  const look = (part: unknown): boolean => {
    if (typeof part === 'function') return Object.prototype.toString.call(part) === '[object AsyncFunction]'
    if (typeof part !== 'object' || part === null || seen.has(part)) return false
    seen.add(part)
    const { _zod: zod } = part as { readonly _zod?: Readonly<Record<'def' | 'check' | 'innerType', unknown>> }
    if (zod !== undefined) return look(zod.def) || look(zod.check) || look(zod.innerType) // the last is what is inside of `z.lazy`
    return Object.keys(part).some(
      (name) => name !== 'defaultValue' && look((part as Readonly<Record<string, unknown>>)[name]), // reading that one would make one
    )
  }
  try {
    return look(schema)
  } catch {
    return false // a `z.lazy` that throws: so does the validation, which tells of it
  }
}
