import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeWorld } from '../../world/make-world.ts'
import { isOver } from '../../world/taxiway.ts'
import { eventually } from '../../world/world.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
let world: Awaited<ReturnType<typeof makeWorld>>
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'taxiway-bad-'))
  world = await makeWorld({
    folder,
    target: 'docker',
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY },
    name: `acme/bad-${process.pid}`,
    say: () => {},
  })
})
afterAll(() => world?.stop())

const dockerfile = 'FROM busybox:stable\nCOPY serve.sh test.sh /app/\nCOPY www /www\nCMD ["sh", "/app/serve.sh"]\n'
const good = (more: object = {}) => JSON.stringify({ version: 1, images: { web: {} }, ...more })
const testing = (run: string[], timeout = '30s') => good({ test: { unit: { image: 'web', run, timeout } } })
const deploying = (manifests = 'k8s/') =>
  good({ deploy: { production: { namespace: 'bad', manifests, timeout: '10s' } } })
const object = (kind: string, more: object = {}) =>
  JSON.stringify({ apiVersion: 'v1', kind, metadata: { name: 'x', ...more } })
const pod = (spec: object) =>
  JSON.stringify({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'web', image: 'web' }], ...spec } },
    },
  })
const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghi'
  .split('')
  .map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[index]}`).join(',')}]`)
  .join('\n')}\n`

/** Each file's text; the reason's code; a word of the sentence; and the state: `failed` is the code's fault. */
const cases: [string, Record<string, string>, string, RegExp][] = [
  ['a pipeline file that is no YAML', { '.taxiway.yaml': 'version: [1\n' }, 'config_invalid', /line \d/],
  [
    'an unknown key',
    {
      '.taxiway.yaml':
        'version: 1\nimages: { web: {} }\ntest:\n  unit:\n    image: web\n    run: [x]\n    timout: 1m\n',
    },
    'config_invalid',
    /line 7: test\.unit\.timout: unknown key, did you mean timeout/,
  ],
  ['an alias bomb', { '.taxiway.yaml': bomb }, 'config_invalid', /alias/],
  [
    'a pipeline file of 10 MB',
    { '.taxiway.yaml': `version: 1\n# ${'x'.repeat(10 * 2 ** 20)}\n` },
    'file_too_large',
    /256 KB/,
  ],
  [
    'an option for the host',
    { '.taxiway.yaml': good({ test: { unit: { image: 'web', run: ['x'], privileged: true } } }) },
    'config_invalid',
    /privileged/,
  ],
  [
    'a Dockerfile outside of the repository',
    { '.taxiway.yaml': good({ images: { web: { dockerfile: '../../etc/passwd' } } }) },
    'path_outside_repo',
    /etc\/passwd/,
  ],
  [
    'a context outside of the repository',
    { '.taxiway.yaml': good({ images: { web: { context: '../..' } } }) },
    'path_outside_repo',
    /\.\./,
  ],
  [
    'a Dockerfile that fails',
    { Dockerfile: `${dockerfile}RUN echo no such luck >&2; exit 3\n` },
    'build_failed',
    /no such luck/,
  ],
  [
    'a Dockerfile with a frontend of its own',
    { Dockerfile: `# syntax=evil/frontend\n${dockerfile}` },
    'option_not_allowed',
    /evil\/frontend/,
  ],
  [
    'a base image that is nowhere',
    { Dockerfile: `FROM ${TAXIWAY_REGISTRY}/no/such:image\n` },
    'image_not_found',
    /no\/such/,
  ],
  [
    'a test that hangs',
    { '.taxiway.yaml': testing(['sleep infinity'], '2s') },
    'timeout',
    /Test unit ran longer than 2 s/,
  ],
  [
    'a test that forks without end',
    { '.taxiway.yaml': testing(['f() { f | f & }; f; sleep 3; exit 7'], '20s') },
    'test_failed',
    /Test unit/,
  ],
  ['manifests outside of the repository', { '.taxiway.yaml': deploying('../../etc') }, 'path_outside_repo', /etc/],
  ['manifests that are not there', { '.taxiway.yaml': deploying('nowhere/') }, 'file_not_found', /nowhere/],
  [
    'a ClusterRoleBinding',
    { '.taxiway.yaml': deploying(), 'k8s/web.yaml': object('ClusterRoleBinding') },
    'manifest_forbidden',
    /ClusterRoleBinding/,
  ],
  [
    'another namespace',
    { '.taxiway.yaml': deploying(), 'k8s/web.yaml': object('ConfigMap', { namespace: 'kube-system' }) },
    'manifest_forbidden',
    /kube-system|namespace/,
  ],
  [
    'a hostPath',
    { '.taxiway.yaml': deploying(), 'k8s/web.yaml': pod({ volumes: [{ name: 'v', hostPath: { path: '/' } }] }) },
    'manifest_forbidden',
    /hostPath/,
  ],
]

test.each(cases)(
  '%s ends in its reason, on the run, in the log and in the status',
  async (what, files, code, sentence) => {
    const { sha, runId } = await world.push({ Dockerfile: dockerfile, '.taxiway.yaml': good(), ...files }, what)
    await expectReason(sha, runId, code, sentence, 'failed')
  },
)

async function expectReason(
  sha: string,
  runId: string,
  code: string,
  sentence: RegExp,
  state: 'failed' | 'errored',
): Promise<void> {
  const run = await world.taxiway.waitRun(runId, isOver, 90_000)
  expect({ state: run.state, code: run.reason?.code }).toEqual({ state, code })
  expect(run.reason.message).toMatch(sentence)
  expect(await world.taxiway.log(runId)).toContain(`[${code}]`)
  await eventually(async () => {
    const held = Object.values(await world.statuses(sha))
    expect(
      held.some(
        (status) => status.state === (state === 'failed' ? 'failure' : 'error') && sentence.test(status.description),
      ),
    ).toBe(true)
    expect(held.filter((status) => status.state === 'pending')).toEqual([])
  }, 15_000)
}

test('a link in the place of the Dockerfile is not followed', async () => {
  rmSync(join(world.tree, 'Dockerfile'))
  symlinkSync('/etc/passwd', join(world.tree, 'Dockerfile'))
  const { sha, runId } = await world.push({ '.taxiway.yaml': good() }, 'Link the Dockerfile')
  rmSync(join(world.tree, 'Dockerfile'))
  await expectReason(sha, runId, 'path_outside_repo', /Dockerfile/, 'failed')
  expect(await world.taxiway.log(runId)).not.toContain('root:')
})

test('a test that prints 100 MB keeps the beginning and the end of its log', async () => {
  const flood = ['echo first words', '{ yes 0123456789abcdef || true; } | head -c 100000000', 'echo last words; exit 3']
  const { sha, runId } = await world.push({ Dockerfile: dockerfile, '.taxiway.yaml': testing(flood, '120s') }, 'Flood')
  await expectReason(sha, runId, 'test_failed', /exit code 3: last words/, 'failed')
  const log = await world.taxiway.log(runId)
  expect(log).toContain('first words')
  expect(log).toMatch(/\[log truncated: 8\.0 MiB kept of 95\.\d MiB/)
  expect(log.length).toBeLessThan(9 * 2 ** 20)
})
