/** Where one node of a cluster listens. */
export interface NodePlan {
  readonly id: number
  readonly directPort: number
  readonly controllerPort: number
  /** The listener behind the proxy; left out when there is none. */
  readonly proxyPort?: number
  /** The listener with TLS; left out when there is none. */
  readonly tlsPort?: number
  /** What clients are told: the proxy's own port, or the direct one. */
  readonly advertisedPort: number
}

/**
 * Writes one combined node's `server.properties`: Kafka's defaults, but for what makes a small cluster start fast, fail over fast
 * and behave like production in what matters (replication, no automatic topics).
 */
export function serverProperties(
  node: NodePlan,
  nodes: readonly Pick<NodePlan, 'id' | 'controllerPort'>[],
  dataFolder: string,
  settings: Readonly<Record<string, string>>,
): string {
  const host = '127.0.0.1'
  const replicas = String(Math.min(nodes.length, 3))
  const inSync = nodes.length >= 3 ? '2' : '1'
  const proxied = node.proxyPort !== undefined
  const properties: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': String(node.id),
    'controller.quorum.voters': nodes.map(({ id, controllerPort }) => `${id}@${host}:${controllerPort}`).join(','),
    listeners: [
      `DIRECT://${host}:${node.directPort}`,
      ...(proxied ? [`PROXY://${host}:${node.proxyPort}`] : []),
      ...(node.tlsPort === undefined ? [] : [`TLS://${host}:${node.tlsPort}`]),
      `CONTROLLER://${host}:${node.controllerPort}`,
    ].join(','),
    'advertised.listeners': [
      `DIRECT://${host}:${node.directPort}`,
      ...(proxied ? [`PROXY://${host}:${node.advertisedPort}`] : []),
      ...(node.tlsPort === undefined ? [] : [`TLS://${host}:${node.tlsPort}`]),
    ].join(','),
    'inter.broker.listener.name': 'DIRECT',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'DIRECT:PLAINTEXT,PROXY:PLAINTEXT,TLS:SSL,CONTROLLER:PLAINTEXT',
    'log.dirs': dataFolder,

    'auto.create.topics.enable': 'false',
    'default.replication.factor': replicas,
    'min.insync.replicas': inSync,
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': inSync,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': inSync,

    // Fewer partitions of the inner topics: each of Kafka's 50 costs files and time on the first use.
    'offsets.topic.num.partitions': '5',
    'transaction.state.log.num.partitions': '5',
    'group.initial.rebalance.delay.ms': '0', // 3 s by default before a first assignment
    'group.min.session.timeout.ms': '1000', // 6 s by default: tests of lost members would wait for it
    'broker.heartbeat.interval.ms': '500', // 2 s by default: a starting node is let in at a heartbeat
    // 9 s by default, before a killed node's partitions move and before the node is let in again.
    'broker.session.timeout.ms': nodes.length === 1 ? '3000' : '4000',
    'log.cleaner.backoff.ms': '500', // 15 s by default: a test of compaction would wait for it
    'log.cleaner.dedupe.buffer.size': '8388608', // 128 MB by default, a third of the heap
    ...settings,
  }
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
}
