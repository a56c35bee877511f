import { isOver } from '../world/taxiway.ts'
import { check, eventually, expectRunning, expectStatuses, type Scene } from '../world/world.ts'

export const firstPush: Scene = {
  name: 'first-push',
  title: 'The first push becomes live',
  async play(world) {
    const { sha, runId } = await world.push({ 'www/index.html': 'version 1\n' }, 'Say version 1')
    const run = await world.taxiway.waitRun(runId, isOver, 120_000)
    check(run.state === 'succeeded', `the run to succeed, it ${run.state}: ${run.reason?.message}`)
    await expectRunning(world, run)
    const answer = await eventually(world.visit, 10_000)
    check(answer.trim() === 'version 1', `the application to answer "version 1", it answers "${answer.trim()}"`)
    await expectStatuses(world, sha, {
      'taxiway/build': 'success',
      'taxiway/test': 'success',
      'taxiway/deploy (production)': 'success',
    })
    world.say('version 1 answers, and the commit is green')
  },
}
