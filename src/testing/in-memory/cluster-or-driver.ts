import type { InMemoryCluster } from './cluster.ts'

/** Where a test looks: an in-memory cluster, or a driver that has one. */
export type ClusterOrDriver = InMemoryCluster | { readonly cluster: InMemoryCluster }

/** The cluster of either. */
export function clusterOf(from: ClusterOrDriver): InMemoryCluster {
  return 'cluster' in from ? from.cluster : from
}
