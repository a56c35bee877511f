import { isOver } from '../world/taxiway.ts'
import { check, expectStatuses, type Scene } from '../world/world.ts'

export const neverReady: Scene = {
  name: 'never-ready',
  title: 'A push whose new version never gets ready is rolled back, with the reason',
  async play(world) {
    const before = (await world.visit()).trim()
    const { sha, runId } = await world.push(
      { 'www/index.html': 'version 3\n', 'www/healthz': undefined },
      'Lose the health page',
    )
    const run = await world.taxiway.waitRun(runId, isOver, 120_000)
    check(
      run.state === 'failed' && run.reason?.code === 'deploy_unhealthy',
      `the release to be unhealthy, the run ${run.state}: ${run.reason?.message}`,
    )
    const held = await expectStatuses(world, sha, {
      'taxiway/test': 'success',
      'taxiway/deploy (production)': 'failure',
    })
    check(
      /rolled back to/.test(held['taxiway/deploy (production)']?.description ?? ''),
      `the status to say what was restored: ${held['taxiway/deploy (production)']?.description}`,
    )
    check((await world.visit()).trim() === before, `${before} to serve again`)
    world.say(`rolled back: ${held['taxiway/deploy (production)']?.description}`)
  },
}
