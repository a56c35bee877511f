import type { JobEnd, ReleaseJob, ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import type { Target } from '@taxiway/domain/environment/target.ts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { jobObject } from '../../services/deployer/order/components/job-object.ts'
import { renderJobs } from '../../services/deployer/release/jobs.ts'
import { makeImages } from '../world/images.ts'
import { makePlace, makeWork, successOf, type TestPlace } from './target.ts'

/** What every target must do alike with the jobs of a release. */
export function jobsContract(
  name: string,
  { open, close }: { open: () => Promise<Target>; close: (place: TestPlace) => Promise<void> },
): void {
  describe(`jobs on target ${name}`, () => {
    const place = makePlace(`jobs-${name}`)
    let target: Target
    let image = ''
    beforeAll(async () => {
      image = await makeImages().publish('job', 'echo this is not what a job runs; exit 9')
      target = await open()
    })
    afterAll(() => close(place))

    const jobOf = (
      order: ReleaseOrder,
      job: string,
      run: string[],
      more: { timeoutMs?: number; secrets?: string[] } = {},
    ) => {
      const planned = {
        name: job,
        image: 'web',
        run,
        env: { LEVEL: '$(A) $5' },
        secrets: [],
        timeoutMs: 60_000,
        ...more,
      }
      const object = jobObject(planned, { objectName: `${job}-${order.generation}`, users: {} })
      const release: ReleaseJob = { name: job, when: 'before', object, timeoutMs: planned.timeoutMs }
      return successOf(renderJobs([release], { ...order, references: { web: image } }))[0] as ReleaseJob
    }
    const run = async (order: ReleaseOrder, job: ReleaseJob, work = makeWork(90_000)) => {
      let output = ''
      const ended = successOf<JobEnd>(
        await target.runJob(order, job, work, (chunk) => {
          output += chunk.toString()
        }),
      )
      return { ended, output, lines: work.lines }
    }
    const nextOrder = async () => {
      const order = place.order(image)
      successOf(await target.dryRun(order, makeWork()))
      return order
    }

    test('a job is run with its own commands, and its output is read', async () => {
      const order = await nextOrder()
      const { ended, output } = await run(order, jobOf(order, 'shown', ['echo "level $LEVEL"', `echo "it's done" >&2`]))
      expect(ended).toEqual({ passed: true })
      expect(output).toContain('$ echo "level $LEVEL"\nlevel $(A) $5\n')
      expect(output).toContain("it's done\n")
    })

    test('one that has ended is not run again, however often it is asked for, until it is removed', async () => {
      const order = await nextOrder()
      const job = jobOf(order, 'once', ['cat /proc/sys/kernel/random/uuid'])
      const first = await run(order, job)
      const again = await run(order, job)
      expect([first.ended, again.ended]).toEqual([{ passed: true }, { passed: true }])
      expect(again.output).toBe(first.output)
      successOf(await target.endJob(order, job, makeWork()))
      expect((await run(order, job)).output).not.toBe(first.output)
    })

    test('whoever comes after a crash waits for the one that is at work', async () => {
      const order = await nextOrder()
      const job = jobOf(order, 'slow', ['cat /proc/sys/kernel/random/uuid', 'sleep 6', 'echo over'])
      const stop = new AbortController()
      let seen = ''
      const broken = target.runJob(order, job, makeWork(60_000, stop.signal), (chunk) => {
        seen += chunk.toString()
        if (/[0-9a-f]{8}-/.test(seen)) stop.abort(new Error('killed'))
      })
      await expect(broken).rejects.toThrow('killed')
      const { ended, output } = await run(order, job)
      expect(ended).toEqual({ passed: true })
      expect(output).toContain(seen.trim())
      expect(output).toMatch(/over\n$/)
    })

    test.each([
      ['a command that fails', ['true', 'sh -c "exit 3" && echo no', 'echo never'], {}, 'exit 3'],
      ['one that takes too long', ['sleep 60'], { timeoutMs: 3000 }, 'it ran longer than 3 s'],
    ])('%s ends it', async (_what, commands, more, detail) => {
      const order = await nextOrder()
      const { ended, output } = await run(order, jobOf(order, 'bad', commands, more))
      expect(ended).toEqual({ passed: false, detail })
      expect(output).not.toContain('never\n')
    })

    test('an image that can not be had is told', async () => {
      const order = await nextOrder()
      const job = jobOf(order, 'missing', ['true'])
      const text = JSON.stringify(job).replaceAll(image, makeImages().missing('job'))
      const outcome = await target.runJob(order, JSON.parse(text), makeWork(60_000), () => {})
      expect(JSON.stringify(outcome)).toMatch(/could not be found|not found|manifest unknown/)
    })

    test('a secret is given by name, and is in no order', async () => {
      const order = await nextOrder()
      const job = jobOf(order, 'given', ['printf %s "$TOKEN" | sha1sum'], { secrets: ['TOKEN'] })
      const given = { ...order, secrets: [{ name: job.object.metadata.name, keys: ['TOKEN'] }] }
      const work = { ...makeWork(90_000), secretValues: async () => ({ TOKEN: 'abc' }) }
      const { ended, output } = await run(given, job, work)
      expect(ended).toEqual({ passed: true })
      expect(output).toContain('a9993e364706816aba3e25717850c26c9cd0d89d')
    })

    test('what another run left at work is ended before the next begins, and an older one begins nothing', async () => {
      const older = await nextOrder()
      const left = jobOf(older, 'left', ['trap "exit 0" TERM', 'echo begun', 'sleep 100 & wait'])
      const stop = new AbortController()
      const broken = target.runJob(older, left, makeWork(60_000, stop.signal), () => stop.abort(new Error('killed')))
      await expect(broken).rejects.toThrow('killed')
      const newer = await nextOrder()
      expect((await run(newer, jobOf(newer, 'next', ['true']))).ended).toEqual({ passed: true })
      // Asked for again, it would be waited for if it were still there.
      successOf(await target.apply(newer, makeWork()))
      const outcome = await target.runJob(older, left, makeWork(60_000), () => {})
      expect(outcome.ok ? outcome.value : outcome.reason.code).toBe('stale_generation')
    })
  })
}
