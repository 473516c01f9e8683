/** Has it these methods? */
export function hasMethods(given: unknown, names: readonly string[]): boolean {
  return names.every((name) => typeof Reflect.get(Object(given), name) === 'function')
}
