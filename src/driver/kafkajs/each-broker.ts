import type { Broker, Cluster } from 'kafkajs'

/** Prepares each broker that kafkajs' consumer fetches from, once, before it is handed out for the first time. */
export function eachBroker(cluster: Pick<Cluster, 'findBroker'>, prepare: (broker: Broker) => void): void {
  const find = cluster.findBroker.bind(cluster)
  const prepared = new WeakSet<Broker>()
  cluster.findBroker = async (node) => {
    const broker = await find(node)
    if (!prepared.has(broker)) prepare(broker)
    prepared.add(broker)
    return broker
  }
}
