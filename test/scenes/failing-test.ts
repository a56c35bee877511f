import { isOver } from '../world/taxiway.ts'
import { check, expectStatuses, type Scene } from '../world/world.ts'

export const failingTest: Scene = {
  name: 'failing-test',
  title: 'A push with a failing test goes red, and the old version keeps serving',
  async play(world) {
    const before = (await world.visit()).trim()
    const { sha, runId } = await world.push({ 'www/index.html': 'no name at all\n' }, 'Forget the version')
    const run = await world.taxiway.waitRun(runId, isOver, 120_000)
    check(
      run.state === 'failed' && run.reason?.code === 'test_failed',
      `the run to fail its test, it ${run.state}: ${run.reason?.message}`,
    )
    const held = await expectStatuses(world, sha, {
      'taxiway/build': 'success',
      'taxiway/test': 'failure',
      'taxiway/deploy (production)': 'failure',
    })
    check(/names no version/.test(held['taxiway/test']?.description ?? ''), 'the status to name the cause')
    check((await world.visit()).trim() === before, 'the old version to go on serving')
    world.say(`stopped: ${held['taxiway/test']?.description}`)
  },
}
