import type { HandlerOutcome } from '../../../src/consumer/index.ts'

/** What a handler does, and what its dead letter says of it. */
export interface ThrownEntry {
  readonly name: string
  /** Throws, rejects, or gives back something odd. */
  readonly handle: () => Promise<HandlerOutcome | void> | HandlerOutcome | void
  /** Null where the message counts as handled. */
  readonly dead: { readonly errorClass: string; readonly message?: string | RegExp } | null
}

const thrown = (name: string, thing: () => unknown, errorClass: string, message?: string | RegExp): ThrownEntry => ({
  name,
  handle: () => {
    throw thing()
  },
  dead: { errorClass, ...(message === undefined ? {} : { message }) },
})
const rejected = (entry: ThrownEntry): ThrownEntry => ({
  ...entry,
  name: `${entry.name}, rejected`,
  handle: async () => entry.handle(),
})
const returned = (name: string, handle: () => unknown, dead: ThrownEntry['dead'] = null): ThrownEntry => ({
  name,
  handle: handle as ThrownEntry['handle'],
  dead,
})

const getters = (...names: readonly string[]): object => {
  const thing = {}
  for (const name of names) {
    Object.defineProperty(thing, name, {
      get() {
        throw new Error('gotcha')
      },
    })
  }
  return thing
}

function cyclic(): Error {
  const error = new Error('a cycle')
  error.cause = new Error('its other half', { cause: error })
  return error
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

const hostile = (): object =>
  new Proxy(new Error('hidden'), {
    get() {
      throw new Error('gotcha')
    },
    has() {
      throw new Error('gotcha')
    },
    getPrototypeOf() {
      throw new Error('gotcha')
    },
  })

const things: readonly ThrownEntry[] = [
  thrown('null', () => null, 'null', 'null'),
  thrown('undefined', () => undefined, 'undefined', 'undefined'),
  thrown('a text', () => 'card declined', 'string', 'card declined'),
  thrown('an empty text', () => '', 'string', ''),
  thrown('a number', () => 42, 'number', '42'),
  thrown('NaN', () => NaN, 'number', 'NaN'),
  thrown('a BigInt', () => 10n, 'bigint', '10'),
  thrown('a symbol', () => Symbol('s'), 'symbol', 'Symbol(s)'),
  thrown('a function', () => function reasons() {}, 'reasons', ''),
  thrown('an object', () => ({ message: 'no', code: 'E_NO' }), 'object', 'no'),
  thrown('an object without a prototype', () => Object.create(null), 'object', ''),
  thrown('getters that throw', () => getters('name', 'message', 'stack', 'code', 'cause'), 'object', ''),
  thrown('an error whose message is no text', () => Object.assign(new Error('x'), { message: { a: 1 } }), 'Error', ''),
  thrown('an error whose name is no text', () => Object.assign(new Error('x'), { name: 7 }), '7', 'x'),
  thrown('a message of 1 MB', () => new Error('m'.repeat(2 ** 20)), 'Error', /^m{900,1020}…$/),
  thrown(
    'a message of 1 MB in characters of four bytes',
    () => new Error('😀'.repeat(2 ** 18)),
    'Error',
    /^(?:😀){200,256}…$/u,
  ),
  thrown(
    'a name of 1 MB',
    () => Object.assign(new Error('x'), { name: 'N'.repeat(2 ** 20) }),
    `${'N'.repeat(199)}…`,
    'x',
  ),
  thrown('a lone surrogate in the message', () => new Error('a\ud800b'), 'Error', 'a\ufffdb'),
  thrown(
    'line breaks, escapes, U+2028 and NUL',
    () => new Error('a\r\nb\u001b[2Jc\u2028d\u0000e'),
    'Error',
    'a\r\nb\u001b[2Jc\u2028d\u0000e',
  ),
  thrown('a cause that comes back to itself', cyclic, 'Error', 'a cycle'),
  thrown(
    'an AggregateError of 10,000',
    () =>
      new AggregateError(
        Array.from({ length: 10_000 }, () => new Error('x')),
        'many',
      ),
    'AggregateError',
    'many',
  ),
  thrown('a proxy that was revoked', revoked, 'object', ''),
  thrown('a proxy that throws whatever is asked of it', hostile, 'object', ''),
  thrown(
    'an error of a class that claims to be ours',
    () => Object.assign(new Error('no'), { code: 'HOLDFAST_EPOCH_LOST' }),
    'Error',
    'no',
  ),
  thrown('an array of 10,000', () => Array.from({ length: 10_000 }, (_, i) => i), 'object', ''),
]

/** What a handler gives back is not believed either. */
const answers: readonly ThrownEntry[] = [
  returned('a number', () => 7),
  returned('a list', () => [1]),
  returned('an object whose kind is none of ours', () => ({ kind: 'parked', reason: 'x' })),
  returned('a park without a reason', () => ({ kind: 'park' })),
  returned('a promise of a promise', () => Promise.resolve(Promise.resolve('done'))),
  returned('a promise that resolves and then rejects', () => ({
    // oxlint-disable-next-line no-thenable -- a bad imitation of a promise is what is tested
    then(resolve: (value: unknown) => void, reject: (reason: unknown) => void) {
      resolve('done')
      reject(new Error('after it had resolved'))
    },
  })),
  returned(
    'a then that throws',
    () => ({
      // oxlint-disable-next-line no-thenable -- as above
      then() {
        throw new Error('no promise')
      },
    }),
    { errorClass: 'Error', message: 'no promise' },
  ),
  returned('a park whose reason is 1 MB', () => ({ kind: 'park', reason: 'r'.repeat(2 ** 20) }), {
    errorClass: 'park',
    message: /^r{900,1021}…$/,
  }),
  returned('a proxy that throws whatever is asked of it', hostile, { errorClass: 'Error', message: 'gotcha' }),
  returned('getters that throw', () => getters('kind', 'then'), { errorClass: 'Error', message: 'gotcha' }),
]

/** Everything that a handler can end with. */
export const thrownEntries: readonly ThrownEntry[] = [...things, ...things.map(rejected), ...answers]
