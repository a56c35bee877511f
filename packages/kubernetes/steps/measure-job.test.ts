import { expect, test } from 'vitest'
import { checkJob } from './measure-job.ts'

test('texts of a check mean themselves to Kubernetes, whoever wrote them', () => {
  const release = {
    repositoryId: 'repo_1',
    repositoryName: 'acme/shop',
    environment: 'live',
    namespace: 'shop',
    runId: 'run_1',
    sha: 'abc',
    generation: 3,
    objects: [],
    digests: [],
  } as unknown as Parameters<typeof checkJob>[0]
  const measure = {
    kind: 'job' as const,
    image: 'r/web@sha256:1',
    run: ['echo "$$ $(TAXIWAY_TAG)"'],
    env: { TAXIWAY_BRANCH: '$(TAXIWAY_PODS)', TAXIWAY_PODS: 'mine', CI: 'no' },
    timeoutMs: 1000,
  }
  const { spec } = checkJob(release, measure, { id: 'c-1', addresses: ['10.0.0.1', '10.0.0.2'] }) as any
  const [{ command, env }] = spec.template.spec.containers
  expect(Object.fromEntries(env.map(({ name, value }: { name: string; value: string }) => [name, value]))).toEqual({
    CI: 'no',
    TAXIWAY: 'true',
    TAXIWAY_BRANCH: '$$(TAXIWAY_PODS)',
    TAXIWAY_PODS: '10.0.0.1 10.0.0.2',
  })
  expect(command.at(-1)).toContain('echo "$$$$ $$(TAXIWAY_TAG)"')
})
