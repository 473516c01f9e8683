import type { Broker, Cluster, KafkaMessage } from 'kafkajs'
import { eachBroker } from './each-broker.ts'
import { decodeFetch, FETCH_VERSIONS } from './fetch-decoding.ts'
import type { Fetched, FetchResponse } from './fetch-decoding.ts'
import { oldFormat } from './old-records.ts'

/** The part of kafkajs' cluster by which its consumer finds the broker to fetch from. */
export type FetchCluster = Pick<Cluster, 'findBroker'>

/**
 * Has what this consumer fetches decoded by {@link decodeFetch}, where kafkajs makes nine objects of each record and one of each header, forgets
 * the order of headers, and hands aborted records over where transactions overlap (`consumer/filterAbortedMessages.js`). It goes on
 * to ask, to hear of errors and to choose what comes next: of each partition it gets one message, which stands for all that was fetched
 * ({@link fetchedOf}).
 */
export function decodeFetches(cluster: FetchCluster): void {
  eachBroker(cluster, (broker) => decodeFetchesFrom(broker as FetchBroker))
}

/** What was fetched of a partition, from the messages of the batch that kafkajs made of it; undefined when they are of somebody else's making. */
export function fetchedOf(messages: readonly KafkaMessage[]): Fetched | undefined {
  const [first] = messages
  return first !== undefined && 'fetched' in first ? (first as unknown as StandIn).fetched : undefined
}

/** kafkajs has the methods, its types do not. */
type FetchBroker = Broker & {
  fetch(request: unknown): Promise<unknown>
  lookupRequest(apiKey: number, definition: unknown): (request: unknown) => Exchange
}

/** A request and how its answer is read, as kafkajs' connection takes it. */
interface Exchange {
  readonly request: { readonly apiVersion: number }
  readonly response: { decode(payload: Buffer): Promise<unknown>; parse(data: unknown): Promise<unknown> }
}

/** A message of kafkajs' that stands for all that was fetched of a partition: what kafkajs looks at is the offset, to know where to go on. */
interface StandIn {
  readonly offset: string
  readonly isControlRecord: false
  readonly fetched: Fetched
}

/** Calls kafkajs' own `fetch` with another answer to the question how the response is read. */
function decodeFetchesFrom(broker: FetchBroker): void {
  const { fetch } = broker
  const reading = Object.create(broker) as FetchBroker
  reading.lookupRequest = (apiKey, definition) => {
    const exchange = broker.lookupRequest(apiKey, definition) // asked each time: kafkajs makes it anew with each connection
    return (request) => withOwnDecoding(exchange(request))
  }
  broker.fetch = (request) => fetch.call(reading, request)
}

function withOwnDecoding(exchange: Exchange): Exchange {
  const { response, request } = exchange
  const { apiVersion } = request
  const isOurs = apiVersion >= FETCH_VERSIONS.first && apiVersion <= FETCH_VERSIONS.last
  return {
    ...exchange,
    response: {
      async decode(payload) {
        const kafkajs = async (): Promise<FetchResponse> => oldFormat(await response.decode(payload))
        return forKafkajs(isOurs ? await withOld(await decodeFetch(payload, apiVersion), kafkajs) : await kafkajs())
      },
      parse: (data) => response.parse(data),
    },
  }
}

/** Puts what kafkajs has decoded in the place of what is in the old format. */
async function withOld(decoded: FetchResponse, kafkajs: () => Promise<FetchResponse>): Promise<FetchResponse> {
  if (!decoded.responses.some(({ partitions }) => partitions.some(({ fetched }) => fetched === 'old'))) return decoded
  const { responses } = await kafkajs() // the same partitions in the same order
  return {
    ...decoded,
    responses: decoded.responses.map((topic, t) => ({
      ...topic,
      partitions: topic.partitions.map((ours, p) => (ours.fetched === 'old' ? responses[t]!.partitions[p]! : ours)),
    })),
  }
}

function forKafkajs({ responses, ...rest }: FetchResponse): unknown {
  return {
    ...rest,
    responses: responses.map(({ topicName, partitions }) => ({
      topicName,
      partitions: partitions.map(({ fetched, ...partition }) => ({
        ...partition,
        abortedTransactions: [],
        messages: fetched === null || fetched === 'old' ? [] : [standIn(fetched)],
      })),
    })),
  }
}

function standIn(fetched: Fetched): StandIn {
  return { offset: fetched.lastOffset.toString(), isControlRecord: false, fetched }
}
