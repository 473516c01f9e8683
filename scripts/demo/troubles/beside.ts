import type { Trouble } from './trouble.ts'

/** A trouble, and another one at the same time. */
export function beside({ after, run }: Trouble, other: Trouble['run']): Trouble {
  return {
    after,
    async run(scene) {
      await Promise.all([run(scene), other(scene)])
    },
  }
}

/** A trouble, and another one once it has struck, while it is made good. It strikes at what is under way, of which the other may leave it nothing. */
export function onceStruck({ after, run }: Trouble, other: Trouble['run']): Trouble {
  return {
    after,
    async run(scene) {
      let onStruck!: () => void
      const struck = new Promise<void>((resolve) => (onStruck = resolve))
      const first = run({
        ...scene,
        note(incident) {
          scene.note(incident)
          onStruck()
        },
      })
      await Promise.race([struck, first])
      await Promise.all([first, other(scene)])
    },
  }
}
