import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { makeWorld } from '../../world/make-world.ts'
import { isOver } from '../../world/taxiway.ts'
import { webManifests } from '../../world/web-manifests.ts'
import { eventually } from '../../world/world.ts'

/** Name of the token that these tests act with. */
export const me = 'TAXIWAY_ADMIN_TOKEN'

/** A world on the docker target whose releases go through gates, and what people do and see there. */
export async function gateScene(name: string) {
  const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
  const world = await makeWorld({
    folder: mkdtempSync(join(tmpdir(), `taxiway-${name}-`)),
    target: 'docker',
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY },
    name: `acme/${name}-${process.pid}`,
    say: () => {},
  })
  writeFileSync(join(world.tree, 'k8s/web.yaml'), webManifests)

  const call = (method: string, path: string, body?: object) =>
    world.taxiway.call(method, `/repos/${world.repository.id}/environments/${path}`, body)
  const rule = async (name: string, rules: object) =>
    expect(await call('PUT', name, rules)).toMatchObject({ status: 200 })
  const act = (path: string, body: object = {}) => call('POST', path, body)
  const read = async (id: string) => (await world.taxiway.call('GET', `/runs/${id}`)).body
  const over = (id: string) => world.taxiway.waitRun(id, isOver, 60_000)
  const waits = (id: string, kind: string) => world.taxiway.waitRun(id, ({ waiting }) => waiting?.for === kind, 60_000)
  const told = async (sha: string) => (await world.statuses(sha))['taxiway/deploy (production)']
  const stateOf = (run: any, environment = 'production') =>
    run.stages.find((stage: any) => stage.environment === environment)?.state

  /** A version of the application; with `staging` before production where its rules are given. */
  async function push(version: string, production = '', staging?: string) {
    const before =
      staging === undefined ? '' : `  staging: { namespace: gates-staging, timeout: 8s, soak: 1s, ${staging} }\n`
    const after = staging === undefined ? '' : 'after: staging, '
    const pipeline = `version: 1\nimages: { web: {} }\ndeploy:\n${before}  production: { namespace: gates, timeout: 8s, soak: 1s, ${after}${production} }\n`
    writeFileSync(join(world.tree, '.taxiway.yaml'), pipeline)
    return world.push({ 'www/index.html': `version ${version}\n`, 'www/healthz': 'ok\n' }, `Say version ${version}`)
  }
  const pushBroken = async () => {
    writeFileSync(
      join(world.tree, '.taxiway.yaml'),
      `version: 1\nimages: { web: {} }\ndeploy: { production: { namespace: gates, timeout: 4s } }\n`,
    )
    return world.push({ 'www/index.html': 'broken\n', 'www/healthz': undefined }, 'Lose the health page')
  }
  const answers = (text: string, environment?: string) =>
    eventually(async () => expect((await world.visit(environment)).trim()).toBe(text), 15_000)
  /** Nothing is ruled any more. */
  const unrule = async () => {
    for (const name of ['staging', 'production']) await rule(name, {})
  }
  return { world, call, rule, unrule, act, read, over, waits, told, stateOf, push, pushBroken, answers }
}
