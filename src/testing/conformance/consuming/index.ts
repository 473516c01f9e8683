import type { ConformanceSubject } from '../conformance-case.ts'
import { committing } from './committing.ts'
import { delivering } from './delivering.ts'
import { handingOver } from './handing-over.ts'
import { joining } from './joining.ts'
import { keeping } from './keeping.ts'
import { losing } from './losing.ts'
import { outOfRange } from './out-of-range.ts'
import { pausing } from './pausing.ts'
import { seeking } from './seeking.ts'
import { starting } from './starting.ts'
import { topicChanges } from './topic-changes.ts'
import { waiting } from './waiting.ts'

/** What a driver's consumer promises. Every member also holds each single callback to the port; see `member.ts`. */
export const consuming: readonly ConformanceSubject[] = [
  { name: 'joining a group', cases: joining },
  { name: 'beginning to read', cases: starting },
  { name: 'delivering', cases: delivering },
  { name: 'committing', cases: committing },
  { name: 'pausing', cases: pausing },
  { name: 'seeking', cases: seeking },
  { name: 'handing over', cases: [...handingOver, ...keeping] },
  { name: 'losing the membership', cases: losing },
  { name: 'out of range', cases: outOfRange },
  { name: 'while topics change', cases: topicChanges },
  { name: 'while the coordinator loads', cases: waiting },
]
