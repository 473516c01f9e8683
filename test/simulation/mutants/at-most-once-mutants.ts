import type { FoundBy, Mutant } from './mutant.ts'

const byTest = (file: string): FoundBy => ({ kind: 'test', project: 'unit', file: `test/consumer/${file}` })

/** What keeps a handler from being called twice, and what is claimed from being lost. */
export const atMostOnceMutants: readonly Mutant[] = [
  {
    name: 'claim-before-its-commit',
    promise: 'the broker has the offset before the handler is called',
    foundBy: byTest('at-most-once.test.ts'),
    file: 'src/consumer/offset-claims.ts',
    find: 'onClaimed(epoch)\n    })',
    replace: "onClaimed(epoch)\n      settle('held')\n    })",
  },
  {
    name: 'claims-cut-from-a-commit',
    promise: 'a claim that the commit has no room for is none',
    foundBy: byTest('offset-claims.test.ts'),
    file: 'src/consumer/offset-claims.ts',
    find: 'if (offset < committed || ranges?.some(({ first, last }) => first <= offset && offset <= last)) hold()',
    replace: 'hold()',
  },
  {
    name: 'at-most-once-tries-again',
    promise: 'a handler is called once',
    foundBy: byTest('at-most-once.test.ts'),
    file: 'src/consumer/handle-message.ts',
    find: 'return GIVE_UP // whatever it was: its handler is called once',
    replace: 'return RETRY',
  },
  {
    name: 'claimed-dropped-on-close',
    promise: 'a graceful stop loses nothing',
    foundBy: byTest('at-most-once.test.ts'),
    file: 'src/consumer/delivery-level.ts',
    find: "subscription.delivery === 'at-most-once' ? epoch.signal.aborted : epoch.stopped",
    replace: 'epoch.stopped',
  },
]
