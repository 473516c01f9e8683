/** A change to one source file: what stands there exactly once becomes something else. */
export interface Patch {
  /** From the root of the project. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

/**
 * The source with the patch.
 *
 * @throws Error when its text is not there exactly once: the source has moved on, and the patch would prove nothing.
 */
export function patched(source: string, { file, find, replace }: Patch): string {
  const count = source.split(find).length - 1
  if (count !== 1) throw new Error(`${file}: the text to patch is there ${count} times: ${find}`)
  return source.replace(find, () => replace)
}
