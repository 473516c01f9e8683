import type { Shop } from './shop.ts'

export const PARTITIONS = 2
const RECORDS = 240

/** What lies at a place of the topic. */
export interface KeyedRecord {
  readonly key: string
  /** Its handler never succeeds. */
  readonly bad: boolean
}

/** Twelve keys a partition, one bad record in forty. */
export async function writeKeyed({ producer, topic }: Shop): Promise<ReadonlyMap<string, KeyedRecord>> {
  const keys = new Map<string, KeyedRecord>()
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const records = Array.from({ length: RECORDS / PARTITIONS }, (_, i) => {
      const bad = i % 40 === 7
      return { key: `k-${partition}-${i % 12}`, bad, value: JSON.stringify({ id: bad ? 'bad' : `o-${i}` }), partition }
    })
    const messages = records.map(({ key, value }) => ({ key, value, partition }))
    const [result] = await producer.send({ topic: topic.name, acks: -1, messages })
    records.forEach(({ key, bad }, i) =>
      keys.set(`${partition}@${BigInt(result!.baseOffset!) + BigInt(i)}`, { key, bad }),
    )
  }
  return keys
}

/** Keys of which a record was first handled before an older one. */
export function disorderedKeys(firsts: readonly string[], keys: ReadonlyMap<string, KeyedRecord>): string[] {
  const last = new Map<string, number>()
  const found: string[] = []
  for (const place of firsts) {
    const { key } = keys.get(place)!
    const offset = Number(place.split('@')[1])
    if (offset < (last.get(key) ?? -1)) found.push(key)
    last.set(key, offset)
  }
  return found
}

/** How many of these records a group has committed, of all partitions together. */
export function total(committed: Readonly<Record<number, bigint>>): number {
  return Object.values(committed).reduce((sum, offset) => sum + Number(offset), 0)
}
