import { execFileSync } from 'node:child_process'

/**
 * The files that differ from a revision, in the working tree too, from the root of the project.
 *
 * @param revision - undefined: where this branch left the main one; on the main branch itself, the commit before
 * @throws Error when git does not know the revision.
 */
export function changedFiles(revision: string | undefined): ReadonlySet<string> {
  const lines = git('diff', '--name-only', revision ?? branchPoint(), '--')
  return new Set(lines.split('\n').filter((line) => line !== ''))
}

function branchPoint(): string {
  const head = git('rev-parse', 'HEAD')
  for (const main of ['main', 'origin/main']) {
    try {
      const base = git('merge-base', 'HEAD', main)
      if (base !== head) return base
    } catch {
      // a clone of one branch does not know it
    }
  }
  return 'HEAD~1'
}

function git(...args: readonly string[]): string {
  return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
}
