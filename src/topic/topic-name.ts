/** What is appended to a topic's name for its dead letters. */
export const DEAD_LETTER_SUFFIX = '.dlq'

/** The longest name a broker takes: 249 characters. @see Kafka's `org.apache.kafka.common.internals.Topic` */
export const MAX_TOPIC_NAME_LENGTH = 249

/** The name of a topic's dead letter topic. */
export function deadLetterTopicName(name: string): string {
  return `${name}${DEAD_LETTER_SUFFIX}`
}

/**
 * What keeps a text from being the name of a topic; empty when nothing does. A name has 1 to 249 of the characters
 * `a-z A-Z 0-9 . _ -`, is neither `.` nor `..`, and does not begin with `__`, as the broker's own topics do.
 *
 * @param suffixes - what else will be appended to the name: with the longest of them it must still fit.
 */
export function topicNameProblems(name: unknown, suffixes: readonly string[] = []): readonly string[] {
  if (typeof name !== 'string') return [`must be text, not ${name === null ? 'null' : typeof name}`]
  const longest = suffixes.reduce((found, suffix) => (suffix.length > found.length ? suffix : found), '')
  const room = MAX_TOPIC_NAME_LENGTH - longest.length
  const problems: string[] = []
  if (name === '') problems.push('must not be empty')
  if (name === '.' || name === '..') problems.push('must not be "." or ".."')
  if (!/^[a-zA-Z0-9._-]*$/.test(name)) problems.push('may have only the characters a-z A-Z 0-9 . _ -')
  if (name.startsWith('__')) problems.push('must not begin with "__": such topics belong to the broker')
  if (name.length > room) {
    const why = longest === '' ? '' : `, so that "${longest}" can be appended`
    problems.push(`has ${name.length} characters; at most ${room} fit${why}`)
  }
  return problems
}
