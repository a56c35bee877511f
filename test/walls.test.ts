import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'

/** Room -> the rooms it may import. ARCHITECTURE.md shows the same table. */
const walls: Record<string, string[]> = {
  'packages/domain': [],
  'packages/chassis': ['domain'],
  'packages/store': ['domain'],
  'packages/worker': ['domain', 'chassis', 'store'],
  'packages/git': ['domain'],
  'packages/git-host': ['domain'],
  'packages/registry': ['domain'],
  'packages/docker': ['domain', 'registry'],
  'packages/kubernetes': ['domain'],
  'packages/yaml': ['domain'],
  'services/api': ['domain', 'chassis', 'store', 'git-host', 'yaml'],
  'services/builder': ['domain', 'chassis', 'store', 'worker', 'git', 'registry', 'docker', 'yaml'],
  'services/deployer': [
    'domain',
    'chassis',
    'store',
    'worker',
    'git',
    'git-host',
    'registry',
    'docker',
    'kubernetes',
    'yaml',
  ],
  'services/guard': ['chassis', 'docker'],
  'services/proxy': ['chassis', 'docker'],
  'services/status': ['domain', 'chassis', 'store', 'git-host'],
  'services/cli': ['domain', 'git', 'docker', 'yaml'],
}
/** Vendor library -> the rooms it may live in. */
const vendors: Record<string, string[]> = {
  pino: ['packages/chassis'],
  'prom-client': ['packages/chassis'],
  ioredis: ['packages/store'],
  bullmq: ['packages/store'],
  jose: ['packages/store'],
  execa: ['packages/git'],
  dockerode: ['packages/docker'],
  'tar-stream': ['packages/docker'],
  httpxy: ['packages/docker'],
  '@kubernetes/client-node': ['packages/kubernetes'],
  yaml: ['packages/yaml'],
  sax: ['services/builder'],
  fastify: ['services/api'],
}
const root = resolve(import.meta.dirname, '..')
const specifiers = (file: string) =>
  [...readFileSync(join(root, file), 'utf8').matchAll(/(?:from\s+|import\s*\(\s*|import\s+)'([^']+)'/g)].map(
    (match) => match[1] as string,
  )

const isAllowed = (room: string, file: string, specifier: string): boolean => {
  if (specifier.startsWith('.'))
    return !relative(room, relative(root, resolve(root, dirname(file), specifier))).startsWith('..')
  const own = /^@taxiway\/([^/]+)/.exec(specifier)?.[1]
  if (own) return (walls[room] ?? []).includes(own) || room.endsWith(`/${own}`)
  const vendor = specifier.match(/^(@[^/]+\/)?[^/]+/)?.[0] ?? ''
  if (vendor.startsWith('@octokit/')) return room === 'packages/git-host'
  return !(vendor in vendors) || (vendors[vendor] ?? []).includes(room)
}

test.each(Object.keys(walls))('%s imports only what the table of walls allows', (room) => {
  const files = globSync(`${room}/**/*.ts`, { cwd: root }).filter(
    (file) => !file.endsWith('.test.ts') && !file.includes('node_modules'),
  )
  expect(files.length).toBeGreaterThan(0)
  const broken = files.flatMap((file) =>
    specifiers(file)
      .filter((specifier) => !isAllowed(room, file, specifier))
      .map((specifier) => `${file} -> ${specifier}`),
  )
  expect(broken).toEqual([])
})

test("only the deployer's code opens what clusters are reached with", () => {
  const opening = globSync('{packages,services}/**/*.ts', { cwd: root }).filter(
    (file) => !file.includes('node_modules') && specifiers(file).some((name) => name.endsWith('/cluster-access.ts')),
  )
  expect(opening.length).toBeGreaterThan(1)
  expect(opening.filter((file) => !file.startsWith('services/deployer/'))).toEqual([])
})

test('the check itself sees a service that reaches into another', () => {
  expect(isAllowed('services/api', 'services/api/app.ts', '../builder/main.ts')).toBe(false)
  expect(isAllowed('packages/domain', 'packages/domain/run/run.ts', '@taxiway/store/runs/runs.ts')).toBe(false)
  expect(isAllowed('services/api', 'services/api/app.ts', 'ioredis')).toBe(false)
})

test('no file is longer than 300 lines, and no folder has more than 25 files side by side', () => {
  const files = globSync('{packages,services,test,deploy}/**/*', { cwd: root, withFileTypes: true })
    .filter((one) => one.isFile() && !one.parentPath.includes('node_modules'))
    .map((one) => relative(root, join(one.parentPath, one.name)))
  const long = files.filter(
    (file) => file.endsWith('.ts') && readFileSync(join(root, file), 'utf8').trimEnd().split('\n').length > 300,
  )
  expect(long).toEqual([])
  const folders = Map.groupBy(files, (file) => dirname(file))
  expect([...folders].filter(([, beside]) => beside.length > 25).map(([folder]) => folder)).toEqual([])
})
