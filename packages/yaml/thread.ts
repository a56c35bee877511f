import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { ReadLimits } from './inspect.ts'
import type { Dialect, ReadAnswer } from './read.ts'

/** How long a text may take. */
export interface TimeLimits {
  /** Processor time of the thread: what takes more is at fault itself. */
  cpuMs: number
  /** Time on the clock: beyond it the machine is too busy, which says nothing about the text. */
  patienceMs: number
}

/** The thread is kept that long for the next file (starting one costs some 50 ms), then ended to give its memory back. */
const keepWarmMs = 5000
const lookEveryMs = 50
/** A manifest may be 32 times as large as a pipeline file. */
const memoryMb: Record<Dialect, number> = { core: 128, kubectl: 256 }

let warm: { worker: Worker; dialect: Dialect } | undefined
let idle: NodeJS.Timeout | undefined
let last: Promise<unknown> = Promise.resolve()

/** What is to be read, and how. */
export interface Question {
  text: string
  limits: ReadLimits
  dialect: Dialect
}

/** Reads YAML in the thread, one text after another. Its time counts from when it is the text's turn. */
export function readInThread(question: Question, time: TimeLimits): Promise<ReadAnswer | 'busy'> {
  const mine = last.then(() => take(question, time))
  last = mine.catch(() => {})
  return mine
}

async function take(question: Question, time: TimeLimits): Promise<ReadAnswer | 'busy'> {
  clearTimeout(idle)
  const { dialect } = question
  const kept = warm
  warm = undefined
  if (kept && kept.dialect !== dialect) await kept.worker.terminate()
  const worker = kept?.dialect === dialect ? kept.worker : await start(dialect, time.patienceMs)
  if (worker === 'busy') return worker
  worker.ref()
  const answer = await ask(worker, time, question)
  if (typeof answer === 'object') {
    keep(worker, dialect)
    return answer as ReadAnswer
  }
  await worker.terminate()
  if (answer === 'used up') return { error: `it could not be read within ${time.cpuMs / 1000} s of processor time` }
  return answer === 'too large' ? { error: 'it takes too much memory' } : 'busy'
}

/** A thread without environment: there is nothing in it to be had. @throws if it does not start */
async function start(dialect: Dialect, patienceMs: number): Promise<Worker | 'busy'> {
  const resourceLimits = { maxOldGenerationSizeMb: memoryMb[dialect], maxYoungGenerationSizeMb: 32, stackSizeMb: 4 }
  const worker = new Worker(new URL('./parse-worker.ts', import.meta.url), { env: {}, execArgv: [], resourceLimits })
  const ready = await ask(worker, { cpuMs: Number.POSITIVE_INFINITY, patienceMs })
  if (ready === 'ready') return worker
  await worker.terminate()
  if (ready === 'busy') return ready
  throw new Error(`the YAML thread did not start: ${ready}`)
}

function keep(worker: Worker, dialect: Dialect): void {
  warm = { worker, dialect }
  worker.unref()
  worker.once('error', () => {
    if (warm?.worker === worker) warm = undefined
  })
  idle = setTimeout(() => {
    warm = undefined
    void worker.terminate()
  }, keepWarmMs).unref()
}

/** What the thread says next, or why nothing is waited for any more. @throws what it throws, but for too little memory */
async function ask(worker: Worker, { cpuMs, patienceMs }: TimeLimits, question?: object): Promise<unknown> {
  const over = new AbortController()
  try {
    return await new Promise((resolve: (said: unknown) => void, reject) => {
      worker.removeAllListeners()
      worker.once('message', resolve)
      worker.once('error', (error: NodeJS.ErrnoException) =>
        error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? resolve('too large') : reject(error),
      )
      sleep(patienceMs, 'busy', { signal: over.signal }).then(resolve, () => {})
      if (question) worker.postMessage(question)
      useUp(worker, cpuMs, over.signal).then(
        () => resolve('used up'),
        () => {},
      )
    })
  } finally {
    over.abort()
  }
}

/** Resolves when the thread has used so much processor time from the first look on. @throws at the signal, or when the thread is gone */
async function useUp(worker: Worker, cpuMs: number, signal: AbortSignal): Promise<void> {
  for (let before: NodeJS.CpuUsage | undefined; ; ) {
    // Most texts are done before the first look, which would only interrupt the thread.
    await sleep(Math.min(lookEveryMs, cpuMs), undefined, { signal })
    const { user, system } = await worker.cpuUsage(before)
    if (before && (user + system) / 1000 > cpuMs) return
    before ??= { user, system }
  }
}
