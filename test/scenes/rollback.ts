import { isOver } from '../world/taxiway.ts'
import { check, eventually, expectRunning, expectStatuses, type Scene } from '../world/world.ts'

export const rollback: Scene = {
  name: 'rollback',
  title: 'One call brings the earlier release back, and a later push moves on from it',
  async play(world) {
    const { taxiway, repository } = world
    const environment = `/repos/${repository.id}/environments/production`
    const says = (answer: string) =>
      eventually(async () => check((await world.visit()).trim() === answer, `${answer} to answer`), 15_000)
    const before = (await taxiway.call('GET', environment)).body.live
    const asked = await taxiway.call('POST', `${environment}/rollback`, {})
    check(asked.status === 201, `the rollback to begin: ${JSON.stringify(asked.body)}`)
    const run = await taxiway.waitRun(asked.body.id, isOver, 120_000)
    check(run.state === 'succeeded', `the rollback to succeed, it ${run.state}: ${run.reason?.message}`)
    await says('version 6')
    await expectRunning(world, run)
    const { live } = (await taxiway.call('GET', environment)).body
    check(live.generation > before.generation, `a new generation, it is ${live.generation}`)
    world.say(`version 6 answers again, as release ${live.generation}, by ${live.who}`)

    const { sha, runId } = await world.push({ 'www/index.html': 'version 8\n' }, 'Say version 8')
    await taxiway.waitRun(runId, (one) => one.waiting?.for === 'approval', 120_000)
    await taxiway.call('POST', `${environment}/approve`, { runId })
    const next = await taxiway.waitRun(runId, isOver, 120_000)
    check(next.state === 'succeeded', `the push to go on, it ${next.state}: ${next.reason?.message}`)
    await says('version 8')
    await expectStatuses(world, sha, { 'taxiway/deploy (production)': 'success' })
    world.say('the next push moved on to version 8')
  },
}
