import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Has V8 collect what is left of work once that is so much. By itself it looks through old objects only when there are some
 * hundred MB of them, which a process with little to do would keep for hours. Ends with the process.
 */
export function giveBackMemory({ everyMs = 10_000, growthMb = 24 } = {}): void {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const used = () => process.memoryUsage().heapUsed
  let leftAfter = used()
  setInterval(() => {
    if (used() < leftAfter + growthMb * 2 ** 20) return
    collect()
    leftAfter = used()
  }, everyMs).unref()
}
