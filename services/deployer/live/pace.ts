/** Lets so many do something to one thing at a time; the others wait for their turn. */
export type Turns = <T>(thing: object, work: () => Promise<T>) => Promise<T>

/** Looks at one target side by side: a hundred answers in memory at a time would be too many. */
export function makeTurns(most: number): Turns {
  const lines = new WeakMap<object, { busy: number; waiting: (() => void)[] }>()
  return async (thing, work) => {
    const line = lines.get(thing) ?? { busy: 0, waiting: [] }
    lines.set(thing, line)
    if (line.busy >= most) await new Promise<void>((resolve) => line.waiting.push(resolve))
    else line.busy++
    try {
      return await work()
    } finally {
      const next = line.waiting.shift()
      // The place is handed on, so that nobody who comes now takes it.
      if (next) next()
      else line.busy--
    }
  }
}
