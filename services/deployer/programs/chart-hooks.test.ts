import { expect, test } from 'vitest'
import { chartParts } from './chart-hooks.ts'

const made = (kind: string, name: string, annotations?: Record<string, string>, more: object = {}) => ({
  value: { apiVersion: 'batch/v1', kind, metadata: { name, ...(annotations ? { annotations } : {}) }, ...more },
  file: `chart/templates/${name}.yaml`,
})
const hook = (name: string, when: string, more: Record<string, string> = {}) =>
  made('Job', name, { 'helm.sh/hook': when, ...more })
const nothing = { isUpgrade: false, knows: () => false }
const names = (parts: { manifests: { value: unknown }[] }) =>
  parts.manifests.map(({ value }) => (value as { metadata: { name: string } }).metadata.name)

const all = [
  made('Deployment', 'web'),
  hook('setup', 'pre-install'),
  hook('migrate', 'pre-install,pre-upgrade', { 'helm.sh/hook-weight': '5' }),
  hook('early', 'pre-upgrade', { 'helm.sh/hook-weight': '-5', 'helm.sh/hook-delete-policy': 'hook-succeeded' }),
  hook('warm', 'post-install, post-upgrade', { 'helm.sh/hook-delete-policy': 'before-hook-creation,hook-failed' }),
  hook('ping', 'test'),
  hook('drop', 'pre-delete'),
  hook('back', 'post-rollback'),
]

test('the first release of an environment runs the hooks of an installation, by weight', () => {
  const parts = chartParts(all, nothing)
  expect(names(parts)).toEqual(['web', 'setup', 'warm', 'migrate'])
  expect(parts.hooks).toEqual([
    { name: 'setup', when: ['before'], keeps: ['passed', 'failed'], needs: [] },
    { name: 'warm', when: ['after_live'], keeps: ['passed'], needs: [] },
    { name: 'migrate', when: ['before'], keeps: ['passed', 'failed'], needs: [] },
  ])
  expect(parts.told).toEqual([
    'hook Job/early (pre-upgrade) is not due at this release',
    'hook Job/ping (test) is for helm test, and no part of a release',
  ])
})

test('later ones run those of an upgrade', () => {
  const parts = chartParts(all, { ...nothing, isUpgrade: true })
  expect(parts.hooks).toEqual([
    { name: 'early', when: ['before'], keeps: ['failed'], needs: [] },
    { name: 'warm', when: ['after_live'], keeps: ['passed'], needs: [] },
    { name: 'migrate', when: ['before'], keeps: ['passed', 'failed'], needs: [] },
  ])
  expect(names(parts)).not.toContain('setup')
})

test('what never runs here is told', () => {
  expect(chartParts(all, nothing).left).toEqual(['Job/drop (pre-delete)', 'Job/back (post-rollback)'])
})

test('a Pod is run as a Job that is tried once; what is neither is needed by those that run before', () => {
  const annotations = { 'helm.sh/hook': 'pre-install' }
  const pod = made('Pod', 'check', annotations, { spec: { containers: [] } })
  const late = { 'helm.sh/hook': 'post-install' }
  const others = [made('ConfigMap', 'conf', annotations), made('ConfigMap', 'late', late), made('Job', 'warm', late)]
  const parts = chartParts([pod, ...others], nothing)
  expect(parts.manifests.map(({ value }) => value)).toEqual([
    expect.objectContaining({ kind: 'ConfigMap' }),
    expect.objectContaining({ kind: 'ConfigMap' }),
    expect.objectContaining({ kind: 'Job' }),
    {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'check', annotations },
      spec: { backoffLimit: 0, template: { spec: { restartPolicy: 'Never', containers: [] } } },
    },
  ])
  expect(parts.hooks.map(({ name, needs }) => [name, needs])).toEqual([
    ['warm', []],
    ['check', ['ConfigMap/conf']],
  ])
})

test('definitions of crds/ are left out, and told unless the cluster has them', () => {
  const spec = { group: 'example.com', names: { kind: 'X' }, versions: [{ name: 'v1' }] }
  const crd = { ...made('CustomResourceDefinition', 'xs.example.com', undefined, { spec }), file: 'chart/crds/x.yaml' }
  expect(chartParts([crd], nothing)).toMatchObject({
    manifests: [],
    left: ['CustomResourceDefinition/xs.example.com, which an admin installs in the cluster'],
  })
  const knows = (kind: string) => kind === 'example.com/v1/X'
  expect(chartParts([crd], { isUpgrade: false, knows })).toMatchObject({ manifests: [], left: [] })
})
