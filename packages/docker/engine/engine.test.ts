import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { connectEngine, engineFault, ping, within } from './engine.ts'

test('a host that is neither a socket nor tcp is refused', () => {
  expect(() => connectEngine({ dockerHost: 'ssh://host' })).toThrow('unix:// or tcp://')
})

test('an engine that is not there does not answer', async () => {
  expect(await ping(connectEngine({ dockerHost: 'unix:///nowhere/docker.sock' }))).toBe(false)
})

test('a refused connection is an unavailable engine, and a restarted one in the middle of work', async () => {
  const engine = connectEngine({ dockerHost: 'tcp://127.0.0.1:1' })
  const error = await engine.docker.ping().catch((failure) => failure)
  expect(engineFault(error, { midWork: false })?.code).toBe('docker_unavailable')
  expect(engineFault(error, { midWork: true })?.code).toBe('docker_daemon_restarted')
})

test('a full disk is told apart, and what the engine merely answers is no fault of its own', () => {
  const full = new Error('write /var/lib/docker/tmp/x: no space left on device')
  expect(engineFault(full, { midWork: true })?.code).toBe('disk_full')
  const answered = Object.assign(new Error('(HTTP code 409) conflict - aborted'), { statusCode: 409 })
  expect(engineFault(answered, { midWork: true })).toBeUndefined()
})

test('a call to an engine that accepts and never answers ends at its deadline', async () => {
  const silent = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => silent.once('listening', resolve))
  const { port } = silent.address() as { port: number }
  const engine = connectEngine({ dockerHost: `tcp://127.0.0.1:${port}` })
  const error = await within(200, undefined, () => engine.docker.version()).catch((failure) => failure)
  expect(engineFault(error, { midWork: false })?.message).toContain('no answer within 0.2 s')
  silent.close()
})

test('an aborted wait ends with the reason of its signal', async () => {
  const stop = new AbortController()
  const waiting = within(60_000, stop.signal, () => new Promise(() => undefined))
  stop.abort(new Error('cancelled by us'))
  await expect(waiting).rejects.toThrow('cancelled by us')
})
