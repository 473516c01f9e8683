export type { GroupCommit } from './group-commits.ts'
export { COMMITS_TOPIC, decodeCommit } from './group-commits.ts'
export type { Place, ReadRecord } from './read-all.ts'
export { readAll } from './read-all.ts'
