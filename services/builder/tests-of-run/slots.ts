/** Room for so many containers of tests in one process, given out in the order of asking. */
export interface Slots {
  most: number
  /** Waits for room. @returns what gives it back; @throws the signal's reason when it is aborted first */
  take(count: number, signal: AbortSignal): Promise<() => void>
}

/** Makes the room. Who asks for more than there is waits for all of it. */
export function makeSlots(most: number): Slots {
  let free = most
  const waiting: { count: number; begin(): void }[] = []
  const serve = () => {
    for (let next = waiting[0]; next && next.count <= free; next = waiting[0]) {
      waiting.shift()
      free -= next.count
      next.begin()
    }
  }
  return {
    most,
    take(asked, signal) {
      const count = Math.min(asked, most)
      return new Promise((resolve, reject) => {
        signal.throwIfAborted()
        const place = {
          count,
          begin() {
            signal.removeEventListener('abort', leave)
            let isHeld = true
            resolve(() => {
              if (isHeld) free += count
              isHeld = false
              serve()
            })
          },
        }
        const leave = () => {
          waiting.splice(waiting.indexOf(place), 1)
          reject(signal.reason)
          serve()
        }
        signal.addEventListener('abort', leave, { once: true })
        waiting.push(place)
        serve()
      })
    },
  }
}
