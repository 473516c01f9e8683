/**
 * What its maker may write and others only read: state that is read for each record is a plain property. A getter in an object literal would make V8
 * look up every property of the object in a table, and would keep alive what it closes over until the next full collection.
 */
export type Mutable<T> = { -readonly [K in keyof T]: T[K] }
