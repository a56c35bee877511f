import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { makeWorld } from './make-world.ts'
import { scenes } from './scenes.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG } = process.env

describe.each(['kubernetes', 'docker'] as const)('on %s', (target) => {
  let world: Awaited<ReturnType<typeof makeWorld>>
  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'taxiway-scenes-'))
    world = await makeWorld({
      folder,
      target,
      environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG },
      name: `acme/${target}`,
      say: () => {},
    })
  })
  afterAll(() => world?.stop())

  // One goes on from where the one before left the repository, as people's pushes do.
  for (const scene of scenes) test(scene.title, () => scene.play(world))
})
