import { randomUUID } from 'node:crypto'
import { link, open, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'

const beatMs = 2000
/** A lock whose holder has not shown life for so long is nobody's. */
const staleMs = 15_000
const pollMs = 50
/** Within this process, work on one file goes one after another, in order. */
const queues = new Map<string, Promise<unknown>>()
const held = new Set<string>()

/**
 * Does the work while no other process with the same lock file does. The file is kept fresh; that of a process that was killed is
 * taken over at once on the same machine, after 15 s elsewhere.
 * @throws the signal's reason while it waits
 */
export function withLock<T>(file: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    // Who gives up while waiting in line is answered at once; whoever is at work ends its work first.
    const giveUp = () => reject(signal.reason)
    signal.addEventListener('abort', giveUp, { once: true })
    const before = queues.get(file) ?? Promise.resolve()
    const mine = before.then(() => {
      signal.removeEventListener('abort', giveUp)
      return locked(file, signal, work)
    })
    const settled = mine.then(resolve, reject).finally(() => {
      if (queues.get(file) === settled) queues.delete(file)
    })
    queues.set(file, settled)
  })
}

async function locked<T>(file: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted()
  const name = `${hostname()} ${process.pid} ${randomUUID()}`
  while (!(await take(file, name))) {
    const stale = await staleHolder(file)
    if (stale) await takeAway(file, stale)
    else await wait(pollMs, undefined, { signal })
  }
  held.add(name)
  const beat = setInterval(() => void utimes(file, new Date(), new Date()).catch(() => {}), beatMs).unref()
  try {
    return await work()
  } finally {
    clearInterval(beat)
    held.delete(name)
    if ((await readFile(file, 'utf8').catch(() => '')) === name) await rm(file, { force: true })
  }
}

/** Complete or not there: the name is written before the file gets its place. */
async function take(file: string, name: string): Promise<boolean> {
  const own = `${file}.${name.slice(-36)}`
  const handle = await open(own, 'wx', 0o600)
  await handle.writeFile(name).finally(() => handle.close())
  try {
    await link(own, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await rm(own, { force: true })
  }
}

/** What the lock says, if its holder is dead or silent. */
async function staleHolder(file: string): Promise<string | undefined> {
  const name = await readFile(file, 'utf8').catch(() => undefined)
  const found = await stat(file).catch(() => undefined)
  if (name === undefined || !found) return undefined
  if (Date.now() - found.mtimeMs > staleMs) return name
  const [host, pid] = name.split(' ')
  if (host !== hostname()) return undefined
  // Our own number, but not our lock: from before a restart in a container, where numbers repeat.
  if (Number(pid) === process.pid) return held.has(name) ? undefined : name
  return isAlive(Number(pid)) ? undefined : name
}

/** Moves the lock aside, and back if it turns out to be somebody else's who was quicker. */
async function takeAway(file: string, stale: string): Promise<void> {
  const aside = `${file}.${randomUUID()}`
  try {
    await rename(file, aside)
  } catch {
    return
  }
  if ((await readFile(aside, 'utf8').catch(() => stale)) !== stale) await link(aside, file).catch(() => {})
  await rm(aside, { force: true })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
