import { once } from 'node:events'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ImageWorld, makeImageWorld } from '../../world/image-world.ts'

/** Before a real registry, for all but the engine a closed door: as where only the engine has a way to it. */
async function startDoor(to: URL): Promise<Server> {
  const door = createServer((incoming, answer) => {
    if (!/^docker\//.test(incoming.headers['user-agent'] ?? '')) {
      answer.writeHead(405).end()
      return
    }
    const { method = 'GET', url: path = '/', headers } = incoming
    const outgoing = request({ host: to.hostname, port: to.port, method, path, headers }, (response) => {
      answer.writeHead(response.statusCode ?? 500, response.headers)
      response.pipe(answer)
    })
    outgoing.on('error', () => answer.destroy())
    incoming.pipe(outgoing)
  }).listen(0, '127.0.0.1')
  await once(door, 'listening')
  return door
}

let door: Server
let images: ImageWorld
beforeAll(async () => {
  door = await startDoor(new URL(`http://${process.env.TAXIWAY_REGISTRY}`))
  const { port } = door.address() as AddressInfo
  images = await makeImageWorld('door', { environment: { TAXIWAY_REGISTRY: `127.0.0.1:${port}` } })
})
afterAll(async () => {
  await images?.stop()
  door?.close()
})

test('where only the engine reaches the registry, origins stay with the run, and tags and reuse go by the engine', async () => {
  const pipeline = { images: { web: { paths: ['www/**'], tags: ['build-{number}'] } } }
  const Dockerfile = `FROM busybox:stable\nRUN echo ${Date.now()} > /built\n`
  const first = await images.run(pipeline, { Dockerfile })
  expect(first.run.state).toBe('succeeded')
  const [web] = first.run.images
  expect(web.provenance).toBeUndefined()
  expect(first.log).toContain('the provenance of web is kept with the run only')
  const statement = await images.world.taxiway.call('GET', `/runs/${first.run.id}/images/web/provenance`)
  expect(statement.body.subject[0].digest.sha256).toBe(web.digest.slice('sha256:'.length))
  // Once for the image, once for its tag, which pushes no layer again.
  const [, pushed = '', tagged = ''] = first.log.split('The push refers to repository')
  expect(pushed).toMatch(/: Pushed$/m)
  expect(tagged).toContain(`build-${first.run.number}: digest: ${web.digest}`)
  expect(tagged).not.toMatch(/: Pushed$/m)

  const second = await images.run(pipeline, { 'README.md': 'Not among the paths.\n' })
  expect(second.run).toMatchObject({
    state: 'succeeded',
    images: [{ digest: web.digest, reusedRun: first.run.number }],
  })
  expect(second.log).not.toContain('building image')
  expect(second.log).toContain(`build-${second.run.number}: digest: ${web.digest}`)
})
