import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import type { KubeObject, Pod } from '../object.ts'
import { openHttpProbe, portsAsked } from './measure-http.ts'

const servers: ReturnType<typeof createServer>[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
const pod = (name = 'web', podIP: string | undefined = '127.0.0.1', ready = 'True'): Pod =>
  ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `${name}-canary-1`, annotations: { 'taxiway.dev/beside-of': name } },
    spec: { containers: [] },
    status: { podIP, conditions: [{ type: 'Ready', status: ready }] },
  }) as Pod
const deployment = (name: string, ...ports: number[]): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: { template: { spec: { containers: [{ ports: ports.map((containerPort) => ({ containerPort })) }] } } },
})
const measure = (path: string, success = 100) => ({ kind: 'http' as const, path, success })
const never = new AbortController().signal

async function ask(port: number, times: number, wanted = measure('/'), pauseMs = times * 200) {
  const probe = openHttpProbe(wanted, new Map([['web', port]]), pauseMs, never)
  for (let at = 0; at < times; at++) {
    probe.ask([pod()])
    await probe.settle()
  }
  return probe
}

test('good answers are a pass, redirects are good and not followed', async () => {
  const paths: string[] = []
  const port = await serve((request, response) => {
    paths.push(request.url ?? '')
    response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()
  })
  const probe = await ask(port, 3, measure('//other.example.com/x?y=1'))
  expect(probe.failure(true)).toBeUndefined()
  expect(new Set(paths)).toEqual(new Set(['//other.example.com/x?y=1']))
})

test('the percent is told, never rounded up to what was wanted', async () => {
  let count = 0
  const port = await serve((_, response) => void response.writeHead(++count % 25 === 0 ? 503 : 200).end())
  const probe = await ask(port, 50, measure('/', 99))
  expect(probe.failure(true)).toEqual({
    name: 'web',
    text: '96 % of answers were good, 99 wanted; the last bad one was 503',
  })
  const lenient = await ask(port, 50, measure('/', 96))
  expect(lenient.failure(true)).toBeUndefined()
})

test('what can not be made up for any more ends it early', async () => {
  const port = await serve((_, response) => void response.writeHead(500).end())
  // Ten questions are to come, of which one may be bad.
  const probe = await ask(port, 1, measure('/', 90), 2_000)
  expect(probe.failure(false)).toBeUndefined()
  const worse = await ask(port, 2, measure('/', 90), 2_000)
  expect(worse.failure(false)?.text).toMatch(/^0 % of answers were good, 90 wanted/)
})

test('pods that give no answer are told as that, and none at all is no pass', async () => {
  const port = await serve((request) => void request.socket.destroy())
  const probe = await ask(port, 2)
  expect(probe.failure(true)?.text).toBe('new pods gave no answer: ECONNRESET')
  const nobody = openHttpProbe(measure('/'), new Map([['web', port]]), 1_000, never)
  nobody.ask([])
  nobody.ask([pod('web', '127.0.0.1', 'False'), pod('worker')])
  await nobody.settle()
  expect(nobody.failure(false)).toBeUndefined()
  expect(nobody.failure(true)?.text).toMatch(/^no new pod could be asked/)
})

test('asked are the Deployments that have the port', () => {
  const all = [deployment('web', 8080, 9090), deployment('cache', 6379), deployment('worker')]
  const ports = (port?: number) => Object.fromEntries(portsAsked({ ...measure('/'), ...(port ? { port } : {}) }, all))
  expect(ports()).toEqual({ web: 8080, cache: 6379 })
  expect(ports(9090)).toEqual({ web: 9090 })
  expect(ports(1234)).toEqual({ web: 1234, cache: 1234, worker: 1234 })
  expect(portsAsked(measure('/'), [deployment('worker')]).size).toBe(0)
})
