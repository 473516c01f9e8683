/**
 * The corpus of bad input, by where it comes in. Each entry says what must become of it; the test beside its list runs all of them against a
 * real broker. A new entry is a line in one of these lists.
 *
 * - {@link configurationEntries}: options of topics, codecs, producers, consumers, retries, stores and the kafkajs driver.
 * - {@link sendEntries}: values, keys, headers, times, partitions and topics that are given to `send`.
 * - {@link recordEntries}, {@link FORGED_NUMBERS}: what foreign clients write to the log.
 * - {@link thrownEntries}: what a handler throws or gives back.
 * - {@link CANARIES}: secrets and personal data that must show up nowhere else than in the records.
 *
 * Not here yet, since what it attacks is not there yet:
 * - schemas of a registry (unknown ids, truncated frames, `$ref` to a URL, recursion, 5 MB) and its address (SSRF): comes with the registry's codec
 * - due times of retry topics, clamped, and routes that are not configured: comes with retry topics
 * - loops of replays, replays of forged origins: comes with the replay
 * - NUL, bytes and ids of 34 kB in tables: comes with the outbox's and the inbox's stores
 * - markup, `javascript:`, RTL, cross-site posts, DNS rebinding, paths: comes with the console
 */
export { CANARIES, canariesIn } from './canaries.ts'
export { configurationEntries } from './configuration.ts'
export { FORGED_NUMBERS, recordEntries } from './records.ts'
export { sendEntries } from './sends.ts'
export { thrownEntries } from './thrown.ts'
