import { Worker } from 'node:worker_threads'
import type { ReadAnswer, ReadLimits } from './read.ts'

/** The thread is kept that long for the next file (starting one costs some 50 ms), then ended to give its memory back. */
const keepWarmMs = 5000
const startMs = 10_000
const resourceLimits = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 32, stackSizeMb: 4 }

let warm: Worker | undefined
let idle: NodeJS.Timeout | undefined
let last: Promise<unknown> = Promise.resolve()

/** Reads YAML in the thread, one text after another. The deadline counts from when it is the text's turn. */
export function readInThread(text: string, limits: ReadLimits, deadlineMs: number): Promise<ReadAnswer> {
  const mine = last.then(() => take(text, limits, deadlineMs))
  last = mine.catch(() => {})
  return mine
}

async function take(text: string, limits: ReadLimits, deadlineMs: number): Promise<ReadAnswer> {
  clearTimeout(idle)
  const worker = warm ?? (await start())
  warm = undefined
  worker.ref()
  const answer = await ask(worker, { text, limits }, deadlineMs)
  if (answer === 'late' || answer === 'too large') {
    await worker.terminate()
    return {
      error: answer === 'late' ? `it could not be read within ${deadlineMs / 1000} s` : 'it takes too much memory',
    }
  }
  keep(worker)
  return answer as ReadAnswer
}

/** A thread without environment: there is nothing in it to be had. @throws if it does not start */
async function start(): Promise<Worker> {
  const worker = new Worker(new URL('./parse-worker.ts', import.meta.url), { env: {}, execArgv: [], resourceLimits })
  const ready = await ask(worker, undefined, startMs)
  if (ready === 'ready') return worker
  await worker.terminate()
  throw new Error(`the YAML thread did not start: ${ready}`)
}

function keep(worker: Worker): void {
  warm = worker
  worker.unref()
  worker.once('error', () => {
    if (warm === worker) warm = undefined
  })
  idle = setTimeout(() => {
    warm = undefined
    void worker.terminate()
  }, keepWarmMs).unref()
}

/** What the thread says next. @throws what it throws, but for too little memory */
function ask(worker: Worker, question: unknown, deadlineMs: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.removeAllListeners()
    const timer = setTimeout(() => resolve('late'), deadlineMs)
    const end = (finish: () => void) => {
      clearTimeout(timer)
      finish()
    }
    worker.once('message', (answer) => end(() => resolve(answer)))
    worker.once('error', (error: NodeJS.ErrnoException) =>
      end(() => (error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? resolve('too large') : reject(error))),
    )
    if (question !== undefined) worker.postMessage(question)
  })
}
