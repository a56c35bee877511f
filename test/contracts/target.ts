import type { ReleaseOrder, RenderedObject } from '@taxiway/domain/environment/release.ts'
import type { Target } from '@taxiway/domain/environment/target.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { render } from '../../services/deployer/order/render.ts'
import { type Images, makeImages, serving } from '../world/images.ts'

/** One environment that tests deploy to; every order is a new run and, unless told otherwise, the next generation. */
export function makePlace(name: string, repositoryId?: string) {
  const unique = `${name}-${Date.now().toString(36)}`
  let generation = 0
  return {
    namespace: unique,
    repositoryId: repositoryId ?? `repo_${unique}`,
    environment: 'staging',
    nextGeneration: () => ++generation,
    /** An order for these objects with `web` as this image. */
    order(
      reference: string,
      objects: RenderedObject[] = [deployment(), service()],
      more: Partial<ReleaseOrder> = {},
    ): ReleaseOrder {
      generation++
      const place = {
        repositoryId: repositoryId ?? `repo_${unique}`,
        repositoryName: 'acme/shop',
        environment: 'staging',
        namespace: unique,
        runId: `run_${unique}_${generation}`,
        sha: generation.toString(16).padStart(40, 'a'),
        generation,
        // What crashes is known without waiting for the end.
        restarts: 2,
        ...more,
      }
      const rendered = render(objects, { ...place, references: { web: reference } })
      if (!rendered.ok) throw new Error(rendered.reason.message)
      return { ...place, ...rendered.value }
    },
  }
}
export type TestPlace = ReturnType<typeof makePlace>

/** What a call is given in tests, with the lines it said. */
export function makeWork(deadlineMs = 20_000, signal = new AbortController().signal): Work & { lines: string[] } {
  const lines: string[] = []
  return { deadlineMs, signal, lines, say: (line) => void lines.push(line) }
}

/** The value of an outcome that must be one. */
export function successOf<T>(outcome: { ok: true; value: T } | { ok: false; reason: { message: string } }): T {
  if (!outcome.ok) throw new Error(outcome.reason.message)
  return outcome.value
}

export const deployment = (container: object = {}, spec: object = {}, pod: object = {}): RenderedObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web' },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: 'web' } },
    ...spec,
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        ...pod,
        containers: [
          {
            name: 'web',
            image: 'web',
            ports: [{ containerPort: 8080 }],
            readinessProbe: { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 1 },
            ...container,
          },
        ],
      },
    },
  },
})
export const service = (port = 80): RenderedObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { selector: { app: 'web' }, ports: [{ port, targetPort: 8080 }] },
})

/** What every target must do alike. `open` is called once, `close` is given the place that was used. */
export function targetContract(
  name: string,
  { open, close }: { open: () => Promise<Target>; close: (place: TestPlace) => Promise<void> },
): void {
  describe(`target ${name}`, () => {
    const place = makePlace(`contract-${name}`)
    let target: Target
    let images: Images
    let good: ReleaseOrder
    beforeAll(async () => {
      images = makeImages()
      target = await open()
    })
    afterAll(() => close(place))
    const roll = async (order: ReleaseOrder) => {
      successOf(await target.dryRun(order, makeWork()))
      successOf(await target.apply(order, makeWork()))
      return successOf(await target.watch(order, makeWork()))
    }

    test('a first release that never runs is stopped, and it is said that there was none before', async () => {
      const order = place.order(await images.publish('crash', 'echo DATABASE_URL missing; exit 1'))
      const verdict = await roll(order)
      expect(verdict).toMatchObject({ healthy: false })
      expect(!verdict.healthy && verdict.detail).toMatch(/^web: .*exit 1.*: DATABASE_URL missing$/)
      const restoring = { failed: order, previous: undefined, generation: place.nextGeneration() }
      expect(successOf(await target.restore(restoring, makeWork()))).toEqual({
        complete: true,
        detail: 'scaled to 0: there was no earlier release',
      })
    })

    test('a release that is healthy is live, and can be given again', async () => {
      good = place.order(await images.publish('good', serving('good')))
      expect(await roll(good)).toMatchObject({ healthy: true })
      expect(await roll(good)).toMatchObject({ healthy: true })
      successOf(await target.prune(good, makeWork()))
      expect(successOf(await target.live(good, makeWork()))).toMatchObject({
        generation: good.generation,
        runId: good.runId,
      })
    })

    test('an older release, or another of the same generation, is stale', async () => {
      for (const older of [
        { ...good, generation: good.generation - 1 },
        { ...good, runId: 'run_other' },
      ]) {
        const outcome = await target.apply(older, makeWork())
        expect(outcome.ok ? 'applied' : outcome.reason.code).toBe('stale_generation')
      }
    })

    test('what was healthy before is given again when the next release is not', async () => {
      const order = place.order(images.missing('good'))
      const verdict = await roll(order)
      expect(!verdict.healthy && verdict.detail).toMatch(/^web: image can't be pulled: /)
      const generation = place.nextGeneration()
      expect(successOf(await target.restore({ failed: order, previous: good, generation }, makeWork()))).toEqual({
        complete: true,
        detail: `rolled back to ${good.sha.slice(0, 7)}`,
      })
      expect(successOf(await target.live(good, makeWork()))).toMatchObject({ generation })
    })

    test('a release that goes on well is well after its soak too', async () => {
      const order = place.order(await images.publish('well', serving('well')))
      expect(await roll(order)).toMatchObject({ healthy: true })
      const begin = performance.now()
      expect(successOf(await target.soak(order, 2_000, makeWork()))).toMatchObject({ healthy: true })
      expect(performance.now() - begin).toBeGreaterThan(1_990)
      good = order
    })

    test('a program that ends soon after it was ready is not healthy after all, and is undone', async () => {
      const dying = `${serving('dying').replace('exec ', '')} & sleep 4; echo lost the database; exit 9`
      const order = place.order(await images.publish('dying', dying))
      expect(await roll(order)).toMatchObject({ healthy: true })
      const verdict = successOf(await target.soak(order, 15_000, makeWork(30_000)))
      expect(verdict).toMatchObject({
        healthy: false,
        detail: 'web: did not stay healthy: exit 9: lost the database',
        explanation: { cause: 'crash', exitCode: 9 },
      })
      const restoring = { failed: order, previous: good, generation: place.nextGeneration() }
      expect(successOf(await target.restore(restoring, makeWork()))).toMatchObject({ complete: true })
    })

    test('a program that stops being ready after a while is not healthy after all', async () => {
      const fading = `(sleep 4; rm /www/healthz) & ${serving('fading')}`
      const order = place.order(await images.publish('fading', fading))
      expect(await roll(order)).toMatchObject({ healthy: true })
      const verdict = successOf(await target.soak(order, 20_000, makeWork(30_000)))
      expect(!verdict.healthy && verdict.detail).toMatch(
        /^web: did not stay healthy: not ready any more: .*(404|healthz)/,
      )
      expect(!verdict.healthy && verdict.explanation).toMatchObject({ cause: 'not_ready' })
      const restoring = { failed: order, previous: good, generation: place.nextGeneration() }
      expect(successOf(await target.restore(restoring, makeWork()))).toMatchObject({ complete: true })
    })

    test('a call ends as soon as its signal says so', async () => {
      const order = place.order(await images.publish('slow', 'sleep 600'))
      successOf(await target.apply(order, makeWork()))
      const stop = new AbortController()
      setTimeout(() => stop.abort(new Error('enough')), 300)
      const begin = performance.now()
      await expect(target.watch(order, makeWork(20_000, stop.signal))).rejects.toThrow('enough')
      expect(performance.now() - begin).toBeLessThan(2_000)
    })
  })
}
