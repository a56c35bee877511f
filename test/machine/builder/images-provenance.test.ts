import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ImageWorld, makeImageWorld } from '../../world/image-world.ts'
import { startPrivateRegistry } from '../../world/private-registry.ts'
import { isOver } from '../../world/taxiway.ts'

let images: ImageWorld
let registry: Awaited<ReturnType<typeof startPrivateRegistry>>
beforeAll(async () => {
  registry = await startPrivateRegistry(mkdtempSync(join(tmpdir(), 'taxiway-origin-')), { password: false })
  images = await makeImageWorld('origin', {
    roles: ['api', 'builder', 'status'],
    environment: { TAXIWAY_REGISTRY: `${registry.host}/shop` },
  })
})
afterAll(async () => {
  await images?.stop()
  await registry?.stop()
})

const sha256 = (text: string | Buffer) => createHash('sha256').update(text).digest('hex')
const production = { on: { branch: 'main' }, manifests: 'k8s/', timeout: '30s' }
const pipeline = {
  images: { base: { context: 'base' }, web: { from: { BASE: 'base' }, args: { GREETING: 'not repeated' } } },
  deploy: { production },
}
const dockerfile = (text: string) =>
  `ARG BASE\nFROM $BASE\nCOPY serve.sh /app/\nCOPY www /www\nRUN echo ${text} > /www/index.html\nEXPOSE 8080\nCMD ["sh", "/app/serve.sh"]\n`
const files = (text: string) => ({
  'base/Dockerfile': `FROM busybox:stable\nRUN echo ${text} > /base\n`,
  Dockerfile: dockerfile(text),
})
const webOf = (run: { images: any[] }) => run.images.find(({ name }) => name === 'web')
/** Containers of this repository's releases: others work on this engine, too. */
const running = async () =>
  (
    await images.docker.listContainers({
      filters: { label: ['taxiway.role=release', `taxiway.repository=${images.world.repository.id}`] },
    })
  ).map(({ Image }) => Image)

/** Pushes with no deployer there, waits until all is tested and published, lets `meanwhile` happen, then deploys. */
async function deployLater(text: string, meanwhile: (run: any) => Promise<void>): Promise<{ run: any; page: string }> {
  const { world } = images
  const pushed = world.push({ ...files(text), '.taxiway.yaml': JSON.stringify({ version: 1, ...pipeline }) }, text)
  const { runId } = await pushed
  const isPublished = (run: any) =>
    run.stages.find(({ name }: { name: string }) => name === 'publish').state === 'succeeded' || isOver(run)
  const published = await world.taxiway.waitRun(runId, isPublished, 60_000)
  await meanwhile(published)
  const deployer = await world.taxiway.start(['deployer', 'proxy'], {
    TAXIWAY_DATA: join(world.tree, '..', 'taxiway', 'data'),
  })
  const run = await world.taxiway.waitRun(runId, isOver, 60_000)
  const page = await images.world.visit().catch(String)
  await deployer.kill('SIGTERM')
  return { run, page }
}

test('the statement is found in the registry by way of the image, and speaks of what runs', async () => {
  mkdirSync(join(images.world.tree, 'base'), { recursive: true })
  const { run } = await deployLater(`one-${process.pid}`, async () => {})
  expect([run.state, run.reason?.message]).toEqual(['succeeded', undefined])
  const { digest, reference, provenance } = webOf(run)
  // This registry knows no referrers, so they stand in a list under the fallback tag.
  const list = await images.manifest('web', digest.replace(':', '-'))
  expect(list.body).toMatchObject({
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{ digest: provenance, artifactType: 'application/vnd.in-toto+json' }],
  })
  const referrer = await images.manifest('web', provenance)
  const image = await images.manifest('web', digest)
  expect(referrer.body.subject).toEqual({ mediaType: image.type, digest, size: image.text.length })
  const [layer] = referrer.body.layers
  const url = `http://${registry.host}/v2/shop/${images.world.repository.name}/web/blobs/${layer.digest}`
  const text = await (await fetch(url)).text()
  expect([layer.mediaType, layer.digest]).toEqual(['application/vnd.in-toto+json', `sha256:${sha256(text)}`])

  const statement = JSON.parse(text)
  expect(await running()).toEqual([reference, reference])
  expect(statement).toMatchObject({
    _type: 'https://in-toto.io/Statement/v1',
    predicateType: 'https://slsa.dev/provenance/v1',
    subject: [{ name: reference.split('@')[0], digest: { sha256: digest.slice('sha256:'.length) } }],
  })
  const { buildDefinition, runDetails } = statement.predicate
  const pipelineFile = readFileSync(join(images.world.tree, '.taxiway.yaml'))
  const base = run.images.find(({ name }: { name: string }) => name === 'base')
  expect(buildDefinition.resolvedDependencies).toEqual([
    { uri: expect.stringMatching(/^git\+http.*@refs\/heads\/main$/), digest: { gitCommit: run.sha } },
    { uri: '.taxiway.yaml', digest: { sha256: sha256(pipelineFile) } },
    { uri: base.reference.split('@')[0], digest: { sha256: base.digest.slice('sha256:'.length) } },
  ])
  expect(runDetails).toMatchObject({
    builder: { id: expect.stringMatching(new RegExp(`^${images.world.taxiway.url}/.+`)) },
    metadata: { invocationId: run.url, startedOn: expect.any(String), finishedOn: expect.any(String) },
  })
  expect(text).not.toContain('not repeated')

  const answer = await images.world.taxiway.call('GET', `/runs/${run.id}/images/web/provenance`)
  expect([answer.status, answer.body]).toEqual([200, statement])
  const ofBase = (await images.world.taxiway.call('GET', `/runs/${run.id}/images/base/provenance`)).body
  expect(ofBase.predicate.buildDefinition.resolvedDependencies[2]).toMatchObject({
    uri: 'docker.io/library/busybox:stable',
    digest: { sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
  })
  for (const path of [`/runs/${run.id}/images/none/provenance`, '/runs/x/images/web/provenance'])
    expect((await images.world.taxiway.call('GET', path)).status).toBe(404)
  const address = `${images.world.taxiway.url}/api/v1/runs/${run.id}/images/web/provenance`
  expect((await fetch(address)).status).toBe(401)
})

test('a tag that is moved in the registry between push and deploy changes nothing: what was tested is what runs', async () => {
  const before = (await running())[0] ?? ''
  expect(before).toContain('@sha256:')
  const { run, page } = await deployLater(`two-${process.pid}`, async (published) => {
    const { digest, reference } = webOf(published)
    expect((await images.manifest('web', `run-${published.number}`)).digest).toBe(digest)
    // Somebody lets the tag stand for the image before.
    const other = await images.manifest('web', before.split('@')[1] ?? '')
    const [host, ...path] = reference.split('@')[0].split('/')
    const moved = await fetch(`http://${host}/v2/${path.join('/')}/manifests/run-${published.number}`, {
      method: 'PUT',
      headers: { 'content-type': other.type },
      body: other.text,
    })
    expect(moved.status).toBe(201)
    expect((await images.manifest('web', `run-${published.number}`)).digest).toBe(other.digest)
    expect(other.digest).not.toBe(digest)
  })
  expect([run.state, run.reason?.message]).toEqual(['succeeded', undefined])
  const { reference } = webOf(run)
  expect(await running()).toEqual([reference, reference])
  expect(reference).not.toBe(before)
  expect(page).toContain(`two-${process.pid}`)
})
