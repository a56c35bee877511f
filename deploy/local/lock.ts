import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Takes this machine's lock of that name: resolves to its release, or to undefined when somebody holds it.
 * The lock is a Linux abstract socket: the kernel frees it with its holder, so none is ever left behind.
 */
export function tryLock(name: string): Promise<(() => void) | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    )
    server.unref()
    server.listen({ path: `\0taxiway-lock-${name}`, exclusive: true }, () => resolve(() => void server.close()))
  })
}

/** Runs the task while the lock of that name is held; waits for whoever holds it. */
export async function withLock<T>(name: string, waiting: () => void, task: () => Promise<T>): Promise<T> {
  let release = await tryLock(name)
  if (!release) waiting()
  while (!release) {
    await sleep(500)
    release = await tryLock(name)
  }
  try {
    return await task()
  } finally {
    release()
  }
}
