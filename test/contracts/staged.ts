import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { oracleAfterEach } from '../oracle/after-each.ts'
import { makeWorld } from '../world/make-world.ts'
import { isOver } from '../world/taxiway.ts'
import { check, eventually } from '../world/world.ts'

const deployment = (name: string, wave: number) => `apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, annotations: { taxiway.dev/wave: "${wave}" } }
spec:
  replicas: 1
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: ${name}
          image: ${name}
          ports: [{ containerPort: 8080 }]
          readinessProbe: { httpGet: { path: /healthz, port: 8080 }, periodSeconds: 1 }
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, annotations: { taxiway.dev/wave: "${wave}" } }
spec: { selector: { app: ${name} }, ports: [{ port: 80, targetPort: 8080 }] }
`
const serve = 'busybox httpd -f -p 8080 -h /www'
/** Ends at once when it is told to: a shell as process 1 hears nothing else. */
const image = (command: string) =>
  `FROM busybox:stable\nSTOPSIGNAL SIGKILL\nRUN mkdir /www && touch /www/healthz\nCMD ${JSON.stringify(['sh', '-c', command])}\n`
const jobs = (before: string, after = 'echo smoke') => `    before:
      migrate: { image: web, run: [${JSON.stringify(before)}], secrets: [TOKEN], timeout: 60s }
    after_live:
      smoke: { image: web, run: [${JSON.stringify(after)}] }
`
const file = (namespace: string, more: string) => `version: 1
images:
  db: { dockerfile: db.Dockerfile }
  web: { dockerfile: web.Dockerfile }
deploy:
  production:
    namespace: ${namespace}
    timeout: 60s
    restarts: 2
    soak: 1s
${more}`

/** What a release in steps does on every target, from a push to what is live. */
export function stagedContract(target: 'docker' | 'kubernetes'): void {
  describe(`a release in steps on ${target}`, () => {
    let world: Awaited<ReturnType<typeof makeWorld>>
    let folder: string
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'taxiway-staged-'))
      const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG } = process.env
      world = await makeWorld({
        folder,
        target,
        environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG, TAXIWAY_LEASE_MS: '4000' },
        name: `acme/staged-${target}-${process.pid}`,
        roles: ['api', 'builder', 'status'],
        say: () => {},
      })
      await world.taxiway.start(['deployer'])
      const path = `/repos/${world.repository.id}/secrets/TOKEN`
      check((await world.taxiway.call('PUT', path, { value: 'very-secret-token' })).status === 204, 'a secret')
    })
    afterAll(async () => {
      await world?.stop()
      rmSync(folder, { recursive: true, force: true })
    })
    oracleAfterEach(() => ({ ...world.observed, secrets: [...world.observed.secrets, 'very-secret-token'] }))
    const push = async (files: Record<string, string>, message: string) => {
      const { runId } = await world.push(files, message)
      const run = await world.taxiway.waitRun(runId, isOver, 150_000)
      return { run, log: await world.taxiway.log(runId) }
    }
    const linesOf = (log: string, pattern: RegExp) => log.split('\n').flatMap((line) => pattern.exec(line)?.[0] ?? [])

    test('jobs before, wave after wave, jobs once it is live', async () => {
      const { run, log } = await push(
        {
          '.taxiway.yaml': file(world.namespace, jobs('echo token $TOKEN')),
          'db.Dockerfile': image(`sleep 2; ${serve}`),
          'web.Dockerfile': image(serve),
          'k8s/web.yaml': `${deployment('web', 1)}---\n${deployment('db', 0)}`,
        },
        'Steps',
      )
      expect([run.state, run.reason?.message]).toEqual(['succeeded', undefined])
      expect(log).toContain('migrate | token ***\n')
      const steps = linesOf(log, /job \w+ (\(\w+\) begins|passed)|next is wave 1|healthy: .*web.*|✓ deploy:production/)
      expect(
        steps.map((step) => step.replace(/^healthy: .*wave 1$/, 'next is wave 1').replace(/^healthy.*/, 'healthy')),
      ).toEqual([
        'job migrate (before) begins',
        'job migrate passed',
        'next is wave 1',
        ...(target === 'kubernetes' ? ['healthy'] : []),
        'job smoke (after_live) begins',
        'job smoke passed',
        '✓ deploy:production',
      ])
      expect(run.jobs).toMatchObject([
        { when: 'before', name: 'migrate', state: 'passed' },
        { when: 'after_live', name: 'smoke', state: 'passed' },
      ])
    })

    test('a job that fails before stops the release, and nothing is touched', async () => {
      const digests = await eventually(async () => {
        const found = await world.runningDigests()
        check(found.length === 2, 'two that are ready')
        return found
      }, 30_000)
      const { run, log } = await push(
        {
          '.taxiway.yaml': file(world.namespace, jobs('echo no such table; exit 3')),
          'web.Dockerfile': image(`: ; ${serve}`),
        },
        'Break the migration',
      )
      expect(run.reason).toEqual({
        code: 'job_failed',
        message: 'Job migrate failed, so nothing was switched: exit 3: no such table.',
      })
      expect(log).not.toContain('applying release')
      expect((await world.runningDigests()).sort()).toEqual(digests.sort())
    })

    test('a job that fails once it is live rolls it back', async () => {
      const before = (await world.runningDigests()).sort()
      const { run } = await push(
        { '.taxiway.yaml': file(world.namespace, jobs('true', 'echo 500 at /; exit 1')) },
        'Fail the smoke test',
      )
      expect(run.reason?.message).toMatch(
        /^Job smoke failed: exit 1: 500 at \/; rolled back to [0-9a-f]{7}; job migrate ran, and what it did stays done\.$/,
      )
      await eventually(async () => expect((await world.runningDigests()).sort()).toEqual(before), 60_000)
    })

    test('a wave that does not become healthy keeps the next from being touched', async () => {
      const { run, log } = await push(
        {
          '.taxiway.yaml': file(world.namespace, jobs('true')),
          'db.Dockerfile': image('echo no disk; exit 7'),
        },
        'Break the first wave',
      )
      expect(run.reason?.message).toMatch(/db: .*exit 7.*no disk; rolled back to/)
      expect(log).not.toContain('next is wave 1')
    })

    test('a deployer that is killed goes on where it was, and runs no job twice', async () => {
      // Two releases in a row have failed by now.
      const hold = `/repos/${world.repository.id}/environments/production/hold`
      check((await world.taxiway.call('DELETE', hold)).status < 300, 'the hold to be lifted')
      const { runId } = await world.push(
        {
          '.taxiway.yaml': file(
            world.namespace,
            `${jobs('cat /proc/sys/kernel/random/uuid; sleep 8; echo over', 'sleep 3')}`
              .replace(
                '    after_live',
                '      first: { image: web, run: [cat /proc/sys/kernel/random/uuid] }\n    after_live',
              )
              .replace(
                '      migrate',
                '      early: { image: web, run: [cat /proc/sys/kernel/random/uuid] }\n      migrate',
              ),
          ),
          'db.Dockerfile': image(serve),
        },
        'Kill it',
      )
      await eventually(
        async () => check(/migrate \| [0-9a-f]{8}-/.test(await world.taxiway.log(runId)), 'the job'),
        90_000,
      )
      await world.taxiway.processes.at(-1)?.kill('SIGKILL')
      await world.taxiway.start(['deployer'])
      const run = await world.taxiway.waitRun(runId, isOver, 120_000)
      expect([run.state, run.reason?.message]).toEqual(['succeeded', undefined])
      const log = await world.taxiway.log(runId)
      expect(new Set(linesOf(log, /(?<=migrate \| )[0-9a-f]{8}-.*/)).size).toBe(1)
      expect(linesOf(log, /(?<=early \| )[0-9a-f]{8}-.*/)).toHaveLength(1)
      expect(log).toContain('job early has run: passed')
      expect(run.attempt).toBe(2)
    })
  })
}
