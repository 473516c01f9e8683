/** What the shop sells, in cents. */
export const PRICES_IN_CENTS: Readonly<Record<string, number>> = {
  keyboard: 4_990,
  mouse: 1_990,
  monitor: 19_900,
  cable: 490,
  'signed-poster': 9_900,
}

/** What stands on the shelf when the shop opens. Of the signed poster there are few. */
export const OPENING_STOCK: Readonly<Record<string, number>> = {
  keyboard: 100_000,
  mouse: 100_000,
  monitor: 100_000,
  cable: 100_000,
  'signed-poster': 10,
}
