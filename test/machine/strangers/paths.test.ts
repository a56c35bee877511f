import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { commitAndPush } from '../../git-host/push.ts'
import { type ImageWorld, makeImageWorld } from '../../world/image-world.ts'
import { isOver } from '../../world/taxiway.ts'
import { check, eventually } from '../../world/world.ts'

let images: ImageWorld
beforeAll(async () => {
  images = await makeImageWorld('paths')
})
afterAll(() => images?.stop())

test('files, links and Dockerfiles as people name them are built', async () => {
  const { tree, pushUrl, repository, taxiway } = images.world
  const put = (path: string | Buffer, text: string) => writeFileSync(path, text)
  for (const folder of ['units', 'api', 'docker']) mkdirSync(join(tree, folder), { recursive: true })
  put(join(tree, 'units/dev-disk\\x2dby.swap'), 'backslash')
  put(Buffer.concat([Buffer.from(`${tree}/units/caf`), Buffer.from([0xe9])]), 'latin')
  put(
    join(tree, 'docker/web.Dockerfile'),
    // A word that no engine has built: what comes from the cache prints nothing.
    `FROM busybox:stable\nCOPY . /all\nRUN cat /all/units/*; readlink /all/Dockerfile; : ${Date.now()}\n`,
  )
  symlinkSync('docker/web.Dockerfile', join(tree, 'Dockerfile.link'))
  execFileSync('rm', ['-f', join(tree, 'Dockerfile')])
  symlinkSync('docker/web.Dockerfile', join(tree, 'Dockerfile'))
  put(join(tree, 'api/Dockerfile'), 'FROM busybox:stable\nCOPY Dockerfile /api\n')
  symlinkSync('api', join(tree, 'current'))
  put(
    join(tree, '.taxiway.yaml'),
    JSON.stringify({
      version: 1,
      images: { web: {}, api: { context: 'api', dockerfile: 'api/Dockerfile' }, current: { context: 'current' } },
    }),
  )
  const sha = await commitAndPush(tree, { url: pushUrl, message: 'Odd names' })
  const id = await eventually(async () => {
    const { body } = await taxiway.call('GET', `/runs?repo=${repository.id}&sha=${sha}`)
    check(body.items?.length > 0, 'the run')
    return body.items[0].id
  }, 10_000)
  const run = await taxiway.waitRun(id, isOver, 90_000)
  const log = await taxiway.log(id)
  expect([run.state, run.reason?.message]).toEqual(['succeeded', undefined])
  expect(log).toMatch(/latinbackslash|backslashlatin/)
  expect(log).toMatch(/docker\/web\.Dockerfile$/m)
})
