/** A fault that lasts until it is healed. */
export interface Toxic {
  /** Ends it; what it held goes on. Safe to call twice. */
  heal(): void
}

/** Toxics of one kind that are on; the one that came last decides. */
export interface ToxicList<Settings> {
  readonly current: Settings | undefined
  add(settings: Settings, onHeal?: () => void): Toxic
}

/** Makes an empty {@link ToxicList}. */
export function createToxicList<Settings>(): ToxicList<Settings> {
  const list: { readonly settings: Settings }[] = []
  return {
    get current() {
      return list.at(-1)?.settings
    },
    add(settings, onHeal = () => undefined) {
      const entry = { settings }
      list.push(entry)
      return {
        heal() {
          const at = list.indexOf(entry)
          if (at < 0) return
          list.splice(at, 1)
          onHeal()
        },
      }
    },
  }
}
