import { isOver } from '../world/taxiway.ts'
import { check, eventually, expectRunning, expectStatuses, type Scene, type World } from '../world/world.ts'

export const approval: Scene = {
  name: 'approval',
  title: 'A push goes to staging and waits for an approval of production; the next is promoted from there',
  async play(world) {
    const { taxiway, repository } = world
    const act = (path: string, body: object) =>
      taxiway.call('POST', `/repos/${repository.id}/environments/${path}`, body)
    const first = await world.push({ ...twoEnvironments(world), 'www/index.html': 'version 6\n' }, 'Say version 6')
    const staged = await taxiway.waitRun(first.runId, (run) => run.waiting?.for === 'approval', 120_000)
    await eventually(
      async () => check((await world.visit('staging')).trim() === 'version 6', 'staging to say 6'),
      15_000,
    )
    check((await world.visit()).trim() === 'version 5', 'production to go on with version 5')
    await expectStatuses(world, first.sha, { 'taxiway/deploy (staging)': 'success' })
    await eventually(async () => {
      const { state, description } = (await world.statuses(first.sha))['taxiway/deploy (production)'] ?? {}
      check(state === 'pending' && description === 'Waiting for an approval of production', `a status that says so`)
    }, 15_000)
    world.say('version 6 is in staging; production waits for an approval')
    const approved = await act('production/approve', { runId: first.runId })
    check(approved.status === 200, `the approval to be taken: ${JSON.stringify(approved.body)}`)
    const run = await taxiway.waitRun(first.runId, isOver, 120_000)
    check(run.state === 'succeeded', `the run to succeed, it ${run.state}: ${run.reason?.message}`)
    check(run.approvals[0]?.who.length > 0, 'the run to name who approved it')
    await expectLive(world, run, 'version 6')
    await expectStatuses(world, first.sha, { 'taxiway/deploy (production)': 'success' })
    world.say(`approved by ${run.approvals[0].who}, and live with the digest that staging ran`)
    check(staged.images[0].digest === run.images[0].digest, 'the same digest in both')

    const second = await world.push({ 'www/index.html': 'version 7\n' }, 'Say version 7')
    const next = await taxiway.waitRun(second.runId, (one) => one.waiting?.for === 'approval', 120_000)
    const promoted = await act('staging/promote', { to: 'production' })
    check(promoted.status === 201, `the promotion to begin: ${JSON.stringify(promoted.body)}`)
    const { id } = promoted.body
    await taxiway.waitRun(id, (one) => one.waiting?.for === 'approval', 30_000)
    await act('production/approve', { runId: id })
    const promotion = await taxiway.waitRun(id, isOver, 120_000)
    check(promotion.state === 'succeeded', `the promotion to succeed: ${promotion.reason?.message}`)
    check(promotion.images[0].digest === next.images[0].digest, 'the digest of staging, and nothing built')
    await expectLive(world, promotion, 'version 7')
    const left = await taxiway.waitRun(second.runId, isOver, 15_000)
    check(left.state === 'superseded', `the run that waited to give way, it ${left.state}`)
    world.say('version 7 was promoted from staging to production: the same digest, nothing built')
  },
}

async function expectLive(world: World, run: { images: { digest?: string }[] }, answer: string): Promise<void> {
  await expectRunning(world, run)
  await eventually(async () => check((await world.visit()).trim() === answer, `${answer} to answer`), 15_000)
}

/** The pipeline with an environment before production, which asks for an approval. */
const twoEnvironments = ({ namespace }: World) => ({
  '.taxiway.yaml': `version: 1
on: { push: { branches: [main] } }
images:
  web: { context: ., dockerfile: Dockerfile }
test:
  unit: { image: web, run: [sh /app/test.sh], timeout: 1m }
deploy:
  staging: { on: { branch: main }, namespace: ${namespace}-staging, manifests: k8s/, timeout: 60s, soak: 1s }
  production: { on: { branch: main }, after: staging, approval: required, namespace: ${namespace}, manifests: k8s/, timeout: 60s, soak: 1s }
`,
})
