import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'

/** Stands before the registry of an image, under a name of its own. */
export interface RegistryGate {
  /** The same image, at the gate. */
  reference: string
  /** Breaks every connection. */
  drop(): void
  /** Says that nobody may have the image. */
  refuse(): void
  pass(): void
  /** Resolves when so many connections have come. */
  wasAsked(times: number): Promise<void>
  close(): void
}

const denied = JSON.stringify({ errors: [{ code: 'DENIED', message: 'requested access to the resource is denied' }] })
const refusal = `HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: ${denied.length}\r\nConnection: close\r\n\r\n${denied}`

export async function makeRegistryGate(reference: string): Promise<RegistryGate> {
  const [registry, ...path] = reference.split('/') as [string, ...string[]]
  const [host, port] = registry.split(':') as [string, string]
  let mode: 'pass' | 'drop' | 'refuse' = 'pass'
  let asked = 0
  let heard = () => {}
  const gate = createServer((socket) => {
    socket.on('error', () => {})
    asked++
    heard()
    if (mode === 'drop') return socket.destroy()
    if (mode === 'refuse') return socket.once('data', () => socket.end(refusal))
    const theirs = connect(Number(port), host)
    theirs.on('error', () => socket.destroy())
    return socket.pipe(theirs).pipe(socket)
  }).listen(0, '127.0.0.1')
  await once(gate, 'listening')
  const set = (value: typeof mode) => () => {
    mode = value
  }
  return {
    reference: [`127.0.0.1:${(gate.address() as AddressInfo).port}`, ...path].join('/'),
    drop: set('drop'),
    refuse: set('refuse'),
    pass: set('pass'),
    async wasAsked(times) {
      while (asked < times) {
        const { promise, resolve } = Promise.withResolvers<void>()
        heard = resolve
        await promise
      }
    },
    close: () => void gate.close(),
  }
}
