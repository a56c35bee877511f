import { createServer, type Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Resolves to a listening server, or to undefined when another process listens there. */
function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    )
    server.listen({ path, exclusive: true }, () => resolve(server))
  })
}

/**
 * Runs the task while this machine's lock of that name is held; waits for whoever holds it.
 * The lock is a Linux abstract socket: the kernel frees it with its holder, so none is ever left behind.
 */
export async function withLock<T>(name: string, waiting: () => void, task: () => Promise<T>): Promise<T> {
  const path = `\0taxiway-lock-${name}`
  let server = await listen(path)
  if (!server) waiting()
  while (!server) {
    await sleep(500)
    server = await listen(path)
  }
  try {
    return await task()
  } finally {
    server.close()
  }
}
