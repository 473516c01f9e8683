/** What makes a message one message to a {@link DedupeStore}. */
export interface DedupeIdParts {
  readonly groupId: string
  /** Which handler of the group: two handlers that see the same message have each their own effect. */
  readonly handler: string
  /** The message's own id, or its position where it has none. */
  readonly messageId: string
}

/**
 * The id of a message within its group and handler. Different parts never make the same id, whatever characters they hold; the
 * result has no control characters and no lone surrogates, so any store can take it as text.
 */
export function dedupeId({ groupId, handler, messageId }: DedupeIdParts): string {
  return dedupeIds({ groupId, handler })(messageId)
}

/** Makes the {@link dedupeId}s of one handler: what they have in common is written once. */
export function dedupeIds({ groupId, handler }: Omit<DedupeIdParts, 'messageId'>): (messageId: string) => string {
  const common = `[${JSON.stringify(groupId)},${JSON.stringify(handler)},`
  // Quotes and escapes, so that no separator can be forged; most ids have nothing to escape.
  return (messageId) => `${common}${PLAIN.test(messageId) ? `"${messageId}"` : JSON.stringify(messageId)}]`
}

/** What JSON writes as it is. */
const PLAIN = /^[\w.:@[\]-]*$/
