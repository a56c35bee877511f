import { createServer, type Server } from 'node:net'
import { networkInterfaces } from 'node:os'
import { installEgress } from '@taxiway/docker/engine/egress.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { base, startContainedBuilds } from '../world/contained-builds.ts'

let builds: Awaited<ReturnType<typeof startContainedBuilds>>
let server: Server
let port = 0
beforeAll(async () => {
  builds = await startContainedBuilds()
  server = createServer((socket) => socket.on('error', () => {}).end('reached')).listen(0, '0.0.0.0')
  await new Promise((resolve) => server.once('listening', resolve))
  port = (server.address() as { port: number }).port
})
afterAll(async () => {
  server?.close()
  await builds?.stop()
})

test('no address of this machine, link-local or private range answers a step, once the engine is told to be for builds', async () => {
  const { own, build } = builds
  const addresses = [own.gateway, ...addressesBut(own.bridge).slice(0, 3), '169.254.169.254', '10.0.0.1']
  const knocks = (at: number) =>
    addresses.map((address) => `RUN echo $ONCE; nc -w 2 ${address} ${at} </dev/null 2>&1 | head -c 60; true\n`).join('')
  const before = await build(`${base}${knocks(port)}`)
  expect(before.output).toContain('reached')
  await installEgress({ bridges: [own.bridge], allow: [], nameservers: [] })
  const after = await build(`${base}${knocks(port)}${knocks(Number(new URL(process.env.REDIS_URL ?? '').port))}`)
  expect(after.outcome.ok).toBe(true)
  expect(after.output.match(/can't connect|timed out/g)?.length).toBe(2 * addresses.length)
  expect(after.output.replaceAll(/RUN .*/g, '')).not.toMatch(/reached|refused/)
})

const addressesBut = (bridge: string) =>
  Object.entries(networkInterfaces()).flatMap(([name, all]) =>
    (all ?? [])
      .filter(({ family, internal }) => family === 'IPv4' && !internal && name !== bridge)
      .map(({ address }) => address),
  )
