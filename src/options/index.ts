export { countProblems, isCount, unknownOptions } from './option-problems.ts'
export { bytes, having, problemOf, text } from './option-schemas.ts'
