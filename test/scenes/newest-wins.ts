import { isOver } from '../world/taxiway.ts'
import { check, eventually, expectRunning, expectStatuses, type Scene } from '../world/world.ts'

export const newestWins: Scene = {
  name: 'newest-wins',
  title: 'Two quick pushes: the newer one ends live',
  async play(world) {
    const first = await world.push({ 'www/index.html': 'version 4\n', 'www/healthz': 'ok\n' }, 'Say version 4')
    const second = await world.push({ 'www/index.html': 'version 5\n' }, 'Say version 5')
    const [older, newer] = await Promise.all(
      [first, second].map(({ runId }) => world.taxiway.waitRun(runId, isOver, 180_000)),
    )
    check(newer.state === 'succeeded', `the newer run to succeed, it ${newer.state}: ${newer.reason?.message}`)
    check(
      ['superseded', 'succeeded'].includes(older.state),
      `the older run to be superseded or done before, it ${older.state}: ${older.reason?.message}`,
    )
    await expectRunning(world, newer)
    await eventually(async () => check((await world.visit()).trim() === 'version 5', 'version 5 to answer'), 15_000)
    await expectStatuses(world, second.sha, { 'taxiway/deploy (production)': 'success' })
    world.say(`version 5 is live; the run of version 4 ${older.state}`)
  },
}
