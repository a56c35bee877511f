// Measures how much of a file's time its processes work; slowest.ts tells it.
import { readFileSync } from 'node:fs'
import { afterAll } from 'vitest'

declare module 'vitest' {
  interface TaskMeta {
    /** Wall time of the file, and processor time of its process and of those it started and waited for. */
    times?: { wallMs: number; workMs: number }
  }
}

/** Processor time in ms: utime, stime, cutime and cstime of proc(5), in hundredths of a second. */
function workMs(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * 10, 0)
}

// Hooks run after those of the file, as they are set before.
const started = performance.now() - process.uptime() * 1000
// biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of fixtures out of the first parameter
afterAll(({}, { file }) => {
  file.meta.times = { wallMs: Math.round(performance.now() - started), workMs: workMs() }
})
