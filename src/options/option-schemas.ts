import { z } from 'zod'
import type { Problem } from '../errors/index.ts'

/** Text that has a UTF-8, of 1 to so many characters. */
export function text(max: number): z.ZodType {
  return z
    .string()
    .min(1)
    .max(max)
    .refine((value) => value.isWellFormed(), { message: 'must be well-formed text' })
}

/** An object with these methods. @param what - what it must be, for people */
export function having(what: string, ...methods: readonly string[]): z.ZodType {
  return z.custom(
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      methods.every((method) => typeof (value as Readonly<Record<string, unknown>>)[method] === 'function'),
    { message: `must be ${what}` },
  )
}

/** A number of bytes, from 1. */
export function bytes(max: number): z.ZodType {
  return z.int().min(1).max(max)
}

/** An issue of zod's as ours: where, and what would be right; never the value. */
export function problemOf(issue: z.core.$ZodIssue): Problem {
  return { path: issue.path.map(String).join('.') || '(options)', message: issue.message }
}
