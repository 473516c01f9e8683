import type { ErrorCode } from './error-codes.ts'

/** One thing that is wrong with a call or a configuration. Names places, never values. */
export interface Problem {
  /** Where: an option (`retry.maxAttempts`), or a field of a message (`[2] order-events: items[0].sku`). */
  readonly path: string
  /** What is wrong and what would be right; no payload in it. */
  readonly message: string
}

/** What an error is made of beside its code and message. */
export interface HoldfastErrorOptions {
  readonly cause?: unknown
  /** @defaultValue `false` */
  readonly retriable?: boolean
  readonly problems?: readonly Problem[]
}

// Symbol.for, so that two installed copies of the package still recognise each other's errors.
const brand = Symbol.for('holdfast.error')

/** The one error class callers need: branch on {@link HoldfastError.code}, never on the message. */
export class HoldfastError extends Error {
  override readonly name: string = 'HoldfastError'
  readonly code: ErrorCode
  /** Can the same call, unchanged, succeed later? */
  readonly retriable: boolean
  /** Every problem found, for codes that report several; else empty. */
  readonly problems: readonly Problem[]

  constructor(code: ErrorCode, message: string, options: HoldfastErrorOptions = {}) {
    const problems = options.problems ?? []
    super(listed(message, problems), 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.retriable = options.retriable ?? false
    this.problems = problems
    Object.defineProperty(this, brand, { value: true })
  }

  /** Is it one of ours, whichever copy of the package made it? Never throws, whatever it is given. */
  static is(error: unknown, code?: ErrorCode): error is HoldfastError {
    try {
      if (!(error instanceof Error) || !(brand in error)) return false
      return code === undefined || (error as Error & { code?: unknown }).code === code
    } catch {
      return false // a proxy that throws whatever is asked of it
    }
  }
}

function listed(message: string, problems: readonly Problem[]): string {
  return [message, ...problems.map((problem) => `  - ${problem.path}: ${problem.message}`)].join('\n')
}
