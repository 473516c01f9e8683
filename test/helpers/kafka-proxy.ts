export { API_KEYS, startKafkaProxy } from '../../scripts/services/index.ts'
export type { ArmedFault, Hole, KafkaProxy, RequestHeader, Toxic } from '../../scripts/services/index.ts'
