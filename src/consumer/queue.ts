/** First in, first out. Every operation but `forEach` is O(1). */
export interface Queue<T> {
  push(item: T): void
  /** The first; undefined when there is none. */
  peek(): T | undefined
  /** Takes the first. */
  shift(): T | undefined
  forEach(visit: (item: T) => void): void
  clear(): void
}

/** Makes a {@link Queue}: an array that is taken from at its front, since `Array.shift` moves all the others once it is long. */
export function createQueue<T>(): Queue<T> {
  const items: (T | undefined)[] = []
  let head = 0
  return {
    forEach(visit) {
      for (let i = head; i < items.length; i++) visit(items[i]!)
    },
    clear: () => void (items.length = head = 0),
    push: (item) => void items.push(item),
    peek: () => items[head],
    shift() {
      const item = items[head]
      if (item === undefined) return undefined
      items[head++] = undefined // or it would stay in memory until the front is moved
      if (head === items.length) items.length = head = 0
      else if (head >= MOVE_FROM && head * 2 > items.length) {
        items.splice(0, head)
        head = 0
      }
      return item
    },
  }
}

/** Below this the front of a queue is not worth moving. */
const MOVE_FROM = 1_024
