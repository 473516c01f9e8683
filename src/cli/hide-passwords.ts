/** A text without the passwords of addresses in it: also of those that were given where no address belongs. */
export function hidePasswords(text: string): string {
  return text.replace(PASSWORD, '$1:***@')
}

const PASSWORD = /(:\/\/[^\s/:@'"]*):[^\s'"]*@/g
