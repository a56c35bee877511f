import { expect } from 'vitest'
import { commitAndPush } from '../git-host/push.ts'
import { isOver } from './taxiway.ts'
import { webManifests } from './web-manifests.ts'
import { eventually, type World } from './world.ts'

/** A look at every preview comes once a minute, or as often as a test says; removal takes its own time. */
export const noticedMs = 110_000

/** Pull requests of a world's repository, and what becomes of their previews. */
export function previewScene(world: World) {
  const { repository, host, taxiway } = world
  const call = (method: string, path: string, body?: object) =>
    taxiway.call(method, `/repos/${repository.id}${path}`, body)
  const token = decodeURIComponent(new URL(world.pushUrl).password)
  const url = world.pushUrl.replace(`git:${token}@`, '')
  const seen = new Set<number>()
  const read = (name: string) => call('GET', `/environments/${name}`)
  return {
    call,
    read,
    allow: async (pullRequests: 'none' | 'members' | 'all') =>
      expect(await taxiway.call('PATCH', `/repos/${repository.id}`, { pullRequests })).toMatchObject({ status: 200 }),

    /** Opens a pull request that says this, or pushes to it. @returns the run, once it is over */
    async propose(number: number, text: string, { preview = '{}', from }: { preview?: string; from?: string } = {}) {
      const branch = `change-${number}`
      const sha = await commitAndPush(world.tree, {
        url,
        token,
        branch,
        message: `Say ${text}`,
        files: {
          '.taxiway.yaml': `version: 1
on: { push: { branches: [main] }, pull_request: {} }
images: { web: {} }
deploy:
  production: { namespace: ${world.namespace}, soak: 1s }
  preview: { namespace: ${world.namespace}-preview, timeout: 30s, soak: 1s, preview: ${preview} }
`,
          'k8s/web.yaml': webManifests,
          'www/index.html': `${text}\n`,
          'www/healthz': 'ok\n',
        },
      })
      const action = seen.has(number) ? 'synchronize' : 'opened'
      seen.add(number)
      const delivery = await host.pullRequest(repository.name, {
        number,
        sha,
        branch,
        action,
        ...(from === undefined ? {} : { from }),
      })
      expect(delivery.status).toBe(202)
      const run = await taxiway.waitRun(JSON.parse(delivery.responseBody).runId, isOver, 120_000)
      return { run, sha, branch }
    },

    says: (number: number, text: string) =>
      eventually(async () => expect((await world.visit(`preview.${number}`)).trim()).toBe(text), 15_000),

    /** The preview is gone from the API, and nothing answers in its place. */
    gone: (number: number, forMs = noticedMs) =>
      eventually(async () => {
        expect(await read(`preview.${number}`)).toMatchObject({ status: 404 })
        await expect(world.visit(`preview.${number}`)).rejects.toThrow()
      }, forMs),
  }
}
