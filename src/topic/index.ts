export type { Codec } from './codec.ts'
export type { StandardIssue, StandardResult, StandardSchema } from './standard-schema.ts'
export type { Key, KeyOf, SendableTopic, Topic } from './topic.ts'
