export type { KafkajsCodec, KafkajsCodecs } from './kafkajs-codecs.ts'
export type { KafkajsDriverOptions } from './kafkajs-driver.ts'
export { kafkajsDriver } from './kafkajs-driver.ts'
