export { API_KEYS, startKafkaProxy } from '../../scripts/services/index.ts'
export type { ArmedFault, KafkaProxy, RequestHeader } from '../../scripts/services/index.ts'
