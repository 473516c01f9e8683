import { createRequire } from 'node:module'

/**
 * Makes every kafkajs consumer of this process leave out all that was rolled back.
 *
 * kafkajs takes the broker's list of rolled back transactions as sorted by where they begin, and steps into one of them a record; the broker sorts by
 * where they end. So where several transactions were open side by side it passes records on that were rolled back. A reader that judges others must not.
 */
export function readCommittedAlone(): void {
  if (isDone) return
  isDone = true
  const load = createRequire(import.meta.url)
  const requests = load('kafkajs/src/protocol/requests/fetch/index.js') as { readonly versions: readonly string[] }
  for (const version of requests.versions) {
    const path = `kafkajs/src/protocol/requests/fetch/v${version}/response.js`
    const response = load(path) as { decode: (bytes: Buffer) => Promise<FetchResponse> }
    if (DECODERS.has(response.decode)) continue
    const { decode } = response
    response.decode = async (bytes) => {
      const answer = await decode(bytes)
      for (const { partitions } of answer.responses) for (const each of partitions) leaveOutRolledBack(each)
      return answer
    }
    DECODERS.add(response.decode)
  }
}

let isDone = false
/** Versions share them. */
const DECODERS = new Set<unknown>()

/** What kafkajs makes of the answer to a fetch. */
interface FetchResponse {
  readonly responses: ReadonlyArray<{ readonly partitions: FetchedPartition[] }>
}

/** One partition of it. */
export interface FetchedPartition {
  abortedTransactions?: ReadonlyArray<{ readonly producerId: string; readonly firstOffset: string }> | null
  messages: readonly FetchedMessage[]
}

/** A record, or a marker. */
export interface FetchedMessage {
  readonly offset: string
  readonly key: Buffer | null
  readonly isControlRecord: boolean
  readonly batchContext?: { readonly producerId: string; readonly inTransaction: boolean }
}

/** Takes the rolled back records out of what was fetched of a partition. */
export function leaveOutRolledBack(partition: FetchedPartition): void {
  const waiting = (partition.abortedTransactions ?? [])
    .map(({ producerId, firstOffset }) => ({ producerId: String(producerId), from: BigInt(firstOffset) }))
    .toSorted((a, b) => (a.from < b.from ? -1 : 1))
  const open = new Set<string>()
  partition.abortedTransactions = []
  partition.messages = partition.messages.filter(({ offset, key, isControlRecord, batchContext }) => {
    while (waiting.length > 0 && waiting[0]!.from <= BigInt(offset)) open.add(waiting.shift()!.producerId)
    const producer = String(batchContext?.producerId)
    if (isControlRecord) {
      if (key?.readInt16BE(2) === ABORT) open.delete(producer)
      return true // kafkajs needs them to go on, and passes none of them on
    }
    return batchContext?.inTransaction !== true || !open.has(producer)
  })
}

/** The type of a control record, in the second two bytes of its key. */
const ABORT = 0
