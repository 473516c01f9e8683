import type { SpillFile } from './spill-file.ts'
import { createSpillFile } from './spill-file.ts'

/** How a sorter is made. */
export interface ExternalSortOptions {
  /** How many bytes an entry has. */
  readonly entryBytes: number
  /** By how many of these, from the first on, they are sorted. 6 or more. */
  readonly sortBytes: number
  /** The most memory it takes. What does not fit goes to disk. */
  readonly memoryBytes: number
  /** Where to. @defaultValue the system's folder for such things */
  readonly folder?: string | undefined
}

/** Sorts entries of one size, as many as the disk has room for, within a fixed memory. */
export interface ExternalSort {
  /** Room for one more entry, which the caller fills at once. */
  add(fill: (entries: Buffer, at: number) => void): void
  /** All of them, ascending, in blocks. Once; nothing is added after. A block is only good until the next one. */
  sorted(): Iterable<Buffer>
  /** How many were added. */
  count(): number
  spilledBytes(): number
  /** The most bytes of entries that were in memory at a time. */
  mostBytes(): number
  /** Gives memory and disk back. Safe to call twice. */
  close(): void
}

/** An entry's share of what sorting it takes beside its bytes: its number, its prefix, and the sort's own copies of these. */
const SORT_OVERHEAD = 40
/** Fewer could not be merged. */
const LEAST_ENTRIES = 8
/** What is read or written at a time when there is memory for it. */
const WINDOW_BYTES = 64 * 2 ** 10
/** The most sorted runs that are merged at a time. */
const MOST_RUNS = 64
const FIRST_ENTRIES = 1_024

/** Entries that are sorted, in a file. */
interface Run {
  readonly file: SpillFile
  readonly position: number
  readonly bytes: number
}

/** Makes an {@link ExternalSort}: sorted runs on disk, merged as often as it takes. */
export function createExternalSort(options: ExternalSortOptions): ExternalSort {
  const { entryBytes, sortBytes, memoryBytes, folder } = options
  const capacity = Math.max(LEAST_ENTRIES, Math.floor(memoryBytes / (entryBytes + SORT_OVERHEAD)))
  const fanIn = Math.min(MOST_RUNS, Math.max(2, Math.floor(memoryBytes / WINDOW_BYTES) - 1))
  const windowEntries = Math.max(1, Math.floor(Math.min(WINDOW_BYTES, memoryBytes / (fanIn + 1)) / entryBytes))

  let entries = Buffer.allocUnsafe(Math.min(capacity, FIRST_ENTRIES) * entryBytes)
  let held = 0
  let count = 0
  let spilled = 0
  let most = 0
  let runs: Run[] = []
  const files = new Set<SpillFile>()

  const compare = (a: Buffer, aAt: number, b: Buffer, bAt: number): number =>
    a.compare(b, bAt, bAt + sortBytes, aAt, aAt + sortBytes)

  const openFile = (): SpillFile => {
    const file = createSpillFile(folder)
    files.add(file)
    return file
  }
  const closeFile = (file: SpillFile): void => {
    file.close()
    files.delete(file)
  }

  /** The numbers of the entries in memory, in order. */
  const inOrder = (): Uint32Array => {
    const prefixes = new Float64Array(held)
    const order = new Uint32Array(held)
    for (let i = 0; i < held; i++) {
      prefixes[i] = entries.readUIntBE(i * entryBytes, 6)
      order[i] = i
    }
    return order.sort(
      (a, b) => prefixes[a]! - prefixes[b]! || compare(entries, a * entryBytes, entries, b * entryBytes),
    )
  }

  /** What is in memory, ascending, in blocks. */
  function* blocks(): Generator<Buffer> {
    const block = Buffer.allocUnsafe(Math.min(windowEntries, Math.max(1, held)) * entryBytes)
    let filled = 0
    for (const i of inOrder()) {
      entries.copy(block, filled, i * entryBytes, (i + 1) * entryBytes)
      filled += entryBytes
      if (filled < block.length) continue
      yield block
      filled = 0
    }
    if (filled > 0) yield block.subarray(0, filled)
  }

  const write = (from: Iterable<Buffer>, file: SpillFile): Run => {
    let position: number | null = null
    let bytes = 0
    for (const block of from) {
      const at = file.append(block)
      position ??= at
      bytes += block.length
    }
    spilled += bytes
    return { file, position: position ?? 0, bytes }
  }

  const spill = (): void => {
    const file = runs[0]?.file ?? openFile()
    runs.push(write(blocks(), file))
    held = 0
  }

  const grow = (): void => {
    const larger = Buffer.allocUnsafe(Math.min(capacity, (entries.length / entryBytes) * 2) * entryBytes)
    entries.copy(larger, 0, 0, held * entryBytes)
    entries = larger
  }

  function* merged(of: readonly Run[]): Generator<Buffer> {
    const heap = of.map((run) => createCursor(run, windowEntries * entryBytes))
    const isLess = (a: Cursor, b: Cursor): boolean => compare(a.window, a.at, b.window, b.at) < 0
    const sink = (from: number): void => {
      const sinking = heap[from]!
      let i = from
      for (;;) {
        let child = 2 * i + 1
        if (child >= heap.length) break
        if (child + 1 < heap.length && isLess(heap[child + 1]!, heap[child]!)) child++
        if (!isLess(heap[child]!, sinking)) break
        heap[i] = heap[child]!
        i = child
      }
      heap[i] = sinking
    }
    for (let i = (heap.length >> 1) - 1; i >= 0; i--) sink(i)
    const block = Buffer.allocUnsafe(windowEntries * entryBytes)
    most = Math.max(most, (heap.length + 1) * block.length)
    let filled = 0
    while (heap.length > 0) {
      const first = heap[0]!
      first.window.copy(block, filled, first.at, first.at + entryBytes)
      filled += entryBytes
      if (!first.next(entryBytes)) {
        const last = heap.pop()!
        if (heap.length > 0) heap[0] = last
      }
      if (heap.length > 0) sink(0)
      if (filled < block.length) continue
      yield block
      filled = 0
    }
    if (filled > 0) yield block.subarray(0, filled)
  }

  /** Merges as many runs as can be at a time, until that is all of them. Each pass frees the file of the one before. */
  const mergeDown = (): void => {
    while (runs.length > fanIn) {
      const file = openFile()
      const before = runs[0]!.file
      const fewer: Run[] = []
      for (let i = 0; i < runs.length; i += fanIn) fewer.push(write(merged(runs.slice(i, i + fanIn)), file))
      runs = fewer
      closeFile(before)
    }
  }

  return {
    add(fill) {
      if (held === capacity) spill()
      if ((held + 1) * entryBytes > entries.length) grow()
      fill(entries, held * entryBytes)
      held++
      count++
      most = Math.max(most, held * entryBytes)
    },
    *sorted() {
      if (runs.length === 0) {
        yield* blocks()
        return
      }
      if (held > 0) spill()
      entries = Buffer.alloc(0) // the windows of the merge need its memory
      mergeDown()
      yield* merged(runs)
    },
    count: () => count,
    spilledBytes: () => spilled,
    mostBytes: () => most,
    close() {
      entries = Buffer.alloc(0)
      for (const file of files) file.close()
      files.clear()
    },
  }
}

/** Where in a run a merge is. */
interface Cursor {
  readonly window: Buffer
  readonly at: number
  /** Goes on by an entry; false when there is none. */
  next(entryBytes: number): boolean
}

function createCursor(run: Run, windowBytes: number): Cursor {
  const whole = Buffer.allocUnsafe(Math.min(windowBytes, run.bytes))
  let read = 0
  const cursor = {
    window: whole,
    at: 0,
    next(entryBytes: number): boolean {
      cursor.at += entryBytes
      return cursor.at < cursor.window.length || fill()
    },
  }
  const fill = (): boolean => {
    const bytes = Math.min(whole.length, run.bytes - read)
    if (bytes === 0) return false
    cursor.window = whole.subarray(0, bytes)
    cursor.at = 0
    run.file.read(cursor.window, run.position + read)
    read += bytes
    return true
  }
  fill()
  return cursor
}
