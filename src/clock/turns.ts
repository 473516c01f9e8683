/**
 * Makes a function that resolves when every promise job that is ready, and every job those make ready, has run: as `nextTurn`, for who waits for hundreds
 * of thousands of turns and has nothing to do with sockets. Immediates that are asked for together run in one round of the event loop, each after all
 * promise jobs of the one before; a round for each turn would cost a simulation a third of its time.
 */
export function createTurns(): () => Promise<void> {
  let waiting: (() => void)[] = []
  let coming = 0

  const come = (): void => {
    coming--
    const now = waiting
    if (now.length === 0) return
    waiting = []
    for (const resolve of now) resolve()
  }

  return () => {
    if (coming === 0) for (; coming < AT_ONCE; coming++) setImmediate(come)
    return new Promise((resolve) => waiting.push(resolve))
  }
}

const AT_ONCE = 64
