const PREFIXES = ['holdfast-dlq-', 'holdfast-retry-']

/** Is it the name of a header that only Holdfast's own topics may carry? On any other topic it is somebody's forgery, or a copy. */
export function isOwnTopicHeader(name: string): boolean {
  return PREFIXES.some((prefix) => name.startsWith(prefix))
}
