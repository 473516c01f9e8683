import { readFileSync, readdirSync } from 'node:fs'

/** A TypeScript fence of a page. */
export interface Fence {
  /** `docs/producer.md:41`: where its first line of code stands. */
  readonly place: string
  /** A file name for it, unique among all fences. */
  readonly file: string
  readonly code: string
  /** `check`: it must type-check. `run`: it must also run, and `expr // => value` in it must hold. */
  readonly kind: 'check' | 'run'
}

/** Pages whose code is checked: all that users read. */
export function pages(): string[] {
  const docs = readdirSync('docs', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.md'))
  return [
    'README.md',
    'examples/order-processing/README.md',
    ...docs.map((file) => `docs/${file.replaceAll('\\', '/')}`),
  ]
}

/** Every ```ts and ```ts run fence, in order. */
export function fences(): Fence[] {
  return pages().flatMap((page) => {
    const text = readFileSync(page, 'utf8')
    return [...text.matchAll(/^```ts( run)?[^\S\n]*\n([\s\S]*?)^```/gm)].map((match) => {
      const line = text.slice(0, match.index).split('\n').length + 1
      return {
        place: `${page}:${line}`,
        file: `${page.replaceAll(/[/.]/g, '-')}-${line}.ts`,
        code: match[2]!,
        kind: match[1] ? ('run' as const) : ('check' as const),
      }
    })
  })
}
