/**
 * The name of the topic on which a group's failed records of a topic wait before they are tried again:
 * `<topic>.<group>.retry.<delay>`. Scoped to the group, or two groups would handle each other's failures.
 *
 * It stands here, below `topic/`, because drivers read it as well: they keep both topics' partitions together.
 *
 * @param delay - how long they wait, such as `5s`; without dots. `0` is the stage that replays use.
 */
export function retryTopicName(topic: string, groupId: string, delay: string): string {
  return `${topic}${infix(groupId)}${delay}`
}

/** The topic whose failures a retry topic of this group holds; undefined for a topic that is none of this group's. */
export function sourceOfRetryTopic(name: string, groupId: string): string | undefined {
  const at = name.lastIndexOf(infix(groupId))
  if (at <= 0) return undefined
  const delay = name.slice(at + infix(groupId).length)
  return /^[a-zA-Z0-9_-]+$/.test(delay) ? name.slice(0, at) : undefined
}

/**
 * A group id within a topic's name: unchanged where it has a topic's characters alone (`a-z A-Z 0-9 . _ -`), else each byte of
 * another character as `_xHH` in its UTF-8. No two groups get the same text: what looks like such a byte already is encoded too.
 */
export function encodeGroupId(groupId: string): string {
  return groupId.replace(/_(?=x[0-9A-F]{2})|[^a-zA-Z0-9._-]/gu, (character) =>
    [...UTF8.encode(character)].map((byte) => `_x${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  )
}

const UTF8 = new TextEncoder()

const infix = (groupId: string): string => `.${encodeGroupId(groupId)}.retry.`
