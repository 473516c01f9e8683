import type { Cluster } from 'kafkajs'
import { nextTurn } from '../../clock/index.ts'

/**
 * Ends fetchers of kafkajs' that go round and round without waiting for anything. When a consumer stops while the set of brokers changes, `FetchManager.start`
 * makes new fetchers that nobody stops any more, and `Runner.fetch` of a stopped runner answers at once with nothing: the event loop never gets its turn
 * again, and with it no timer, no socket, no signal of the whole process. Before each fetch they ask which brokers there are, so that is where
 * they can be ended.
 */
export function endSpinning(cluster: Pick<Cluster, 'getNodeIds'>): void {
  const getNodeIds = cluster.getNodeIds.bind(cluster)
  let asked = 0 // in this turn of the event loop
  cluster.getNodeIds = () => {
    if (asked === 0) void nextTurn().then(() => (asked = 0))
    if (++asked > MOST_IN_A_TURN) throw new Error('fetchers of a stopped kafkajs consumer go round without end')
    return getNodeIds()
  }
}

/** Each fetcher asks once for a fetch, which waits for a broker: a few in a turn, one for each broker. */
const MOST_IN_A_TURN = 1_000
