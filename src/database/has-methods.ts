/** Has it these methods? */
export function hasMethods(given: unknown, names: readonly string[]): boolean {
  return names.every((name) => typeof Reflect.get(Object(given), name) === 'function')
}

/** What a method that takes nothing answers. */
export function answerOf(given: unknown, method: string): unknown {
  return (Reflect.get(Object(given), method) as () => unknown).call(given)
}
