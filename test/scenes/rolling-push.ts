import { isOver } from '../world/taxiway.ts'
import { check, eventually, expectRunning, expectStatuses, type Scene } from '../world/world.ts'

export const rollingPush: Scene = {
  name: 'rolling-push',
  title: 'A second push rolls over while people use the application',
  async play(world) {
    let over = false
    const answers = { good: 0, failed: [] as string[], seen: new Set<string>() }
    const poll = async () => {
      while (!over) {
        await world.visit().then(
          (text) => {
            answers.good += 1
            answers.seen.add(text.trim())
          },
          (error) => answers.failed.push(String(error.message ?? error)),
        )
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
    }
    const polling = poll()
    try {
      const { sha, runId } = await world.push({ 'www/index.html': 'version 2\n' }, 'Say version 2')
      const run = await world.taxiway.waitRun(runId, isOver, 120_000)
      check(run.state === 'succeeded', `the run to succeed, it ${run.state}: ${run.reason?.message}`)
      await expectRunning(world, run)
      await eventually(async () => check((await world.visit()).trim() === 'version 2', 'version 2 to answer'), 15_000)
      await expectStatuses(world, sha, { 'taxiway/deploy (production)': 'success' })
    } finally {
      over = true
      await polling
    }
    check(
      answers.failed.length === 0,
      `no failed request, ${answers.failed.length} of ${answers.good + answers.failed.length} failed: ${answers.failed[0]}`,
    )
    check(answers.seen.has('version 1') && answers.seen.has('version 2'), 'both versions to have answered')
    world.say(`${answers.good} requests answered during the roll-out, none failed`)
  },
}
