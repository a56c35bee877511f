import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, test } from 'vitest'
import { play, scenes } from '../scenes/scenes.ts'
import { makeWorld } from '../world/make-world.ts'

/** The stories of the demo, told on a target. One goes on from where the one before left the repository, as people's pushes do. */
export function scenesContract(target: 'kubernetes' | 'docker'): void {
  const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG } = process.env
  let world: Awaited<ReturnType<typeof makeWorld>>
  beforeAll(async () => {
    world = await makeWorld({
      folder: mkdtempSync(join(tmpdir(), 'taxiway-scenes-')),
      target,
      environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG },
      name: `acme/${target}-${process.pid}`,
      say: () => {},
    })
  })
  afterAll(() => world?.stop())

  for (const scene of scenes) test(scene.title, () => play(scene, world))
}
