import kafkajs from 'kafkajs'
import type { Compression } from '../capabilities.ts'

/** Packs and unpacks the records of a batch; what kafkajs' own codec packages provide. */
export interface KafkajsCodec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>
  decompress(buffer: Buffer): Promise<Buffer>
}

/** Codecs beside gzip, each as a function that returns it: `{ snappy: SnappyCodec }` of the package `kafkajs-snappy`. */
export type KafkajsCodecs = Readonly<Partial<Record<Exclude<Compression, 'none' | 'gzip'>, () => KafkajsCodec>>>

const TYPES: Readonly<Record<Compression, number>> = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 }

/** Makes codecs known to kafkajs, whose table of them is one for the whole process. */
export function registerCodecs(codecs: KafkajsCodecs): void {
  const table = kafkajs.CompressionCodecs as Record<number, unknown>
  for (const [name, codec] of Object.entries(codecs)) table[TYPES[name as Compression]] = codec
}

/** What can be asked for when producing: none, gzip, and what was registered here or with kafkajs itself. */
export function availableCompression(): readonly Compression[] {
  return (Object.keys(TYPES) as Compression[]).filter((name) => name === 'none' || isRegistered(TYPES[name]))
}

/** kafkajs' number of a codec. */
export function compressionType(compression: Compression): number {
  return TYPES[compression]
}

/** kafkajs' placeholder for a missing codec throws when it is asked for. */
function isRegistered(type: number): boolean {
  const codec = (kafkajs.CompressionCodecs as Record<number, (() => unknown) | undefined>)[type]
  try {
    return codec !== undefined && codec() !== undefined
  } catch {
    return false
  }
}
