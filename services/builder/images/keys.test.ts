import type { PlannedImage } from '@taxiway/domain/plan/images.ts'
import type { Run } from '@taxiway/domain/run/run.ts'
import { expect, test } from 'vitest'
import { contentKeys, scopedKeys } from './keys.ts'

const place = { prefix: 'registry.example.com/shop', platform: 'linux/amd64' }
const base: PlannedImage = { name: 'base', context: 'base', dockerfile: 'Dockerfile', args: {} }
const web: PlannedImage = {
  name: 'web',
  context: './web/',
  dockerfile: 'Dockerfile',
  args: { A: '1', B: '2' },
  from: { BASE: 'base' },
  paths: ['web/src/**'],
}
const files = Object.entries({
  'base/Dockerfile': 'b1',
  'base/x': 'b2',
  'web/Dockerfile': 'w1',
  'web/.dockerignore': 'w2',
  'web/src/main': 'w3',
  'web/README.md': 'w4',
}).map(([path, id]) => ({ path, id, mode: '100644' }))
const keyOf = (images: PlannedImage[], of = files, more = {}) =>
  contentKeys(images, of, { ...place, ...more }).get('web')
const changed = (path: string, change: object) =>
  files.map((file) => (file.path === path ? { ...file, ...change } : file))
const usual = keyOf([base, web])

test('a key stays while nothing that the image is made of changes', () => {
  expect(keyOf([base, { ...web, args: { B: '2', A: '1' }, tags: ['x'] }])).toBe(usual)
  expect(keyOf([base, web], changed('web/README.md', { id: 'other' }))).toBe(usual)
  expect(usual).toMatch(/^[0-9a-f]{64}$/)
})

test.each([
  ['a file of its paths', keyOf([base, web], changed('web/src/main', { id: 'other' }))],
  ['the mode of such a file', keyOf([base, web], changed('web/src/main', { mode: '100755' }))],
  ['its Dockerfile', keyOf([base, web], changed('web/Dockerfile', { id: 'other' }))],
  ['what is left out of its context', keyOf([base, web], changed('web/.dockerignore', { id: 'other' }))],
  ['a file of the image it is made from', keyOf([base, web], changed('base/x', { id: 'other' }))],
  ['a new file among its paths', keyOf([base, web], [...files, { path: 'web/src/new', id: 'n', mode: '100644' }])],
  ['an argument', keyOf([base, { ...web, args: { A: '1', B: '3' } }])],
  ['the name of a secret', keyOf([base, { ...web, secrets: ['NPM_TOKEN'] }])],
  ['a label', keyOf([base, { ...web, labels: { a: 'b' } }])],
  ['the stage that is built', keyOf([base, { ...web, target: 'runtime' }])],
  ['the platform of the engine', keyOf([base, web], files, { platform: 'linux/arm64' })],
  ['the place it is published to', keyOf([base, web], files, { prefix: 'other.example.com' })],
])('%s changes the key', (_what, key) => {
  expect(key).not.toBe(usual)
})

test('where a link is on the way to its Dockerfile or context, every file counts', () => {
  const linked = changed('web/Dockerfile', { mode: '120000' })
  const key = keyOf([base, web], linked)
  expect(keyOf([base, web], [...linked, { path: 'docker/Dockerfile', id: 'd', mode: '100644' }])).not.toBe(key)
  const context = [...files, { path: 'web', id: 'l', mode: '120000' }]
  expect(keyOf([base, web], [...context, { path: 'other', id: 'o', mode: '100644' }])).not.toBe(
    keyOf([base, web], context),
  )
})

test('what a branch left is for itself, and what the default branch left is for all', () => {
  const run = { branch: 'main', defaultBranch: 'main' } as Run
  expect(scopedKeys(run, 'k')).toEqual(['heads/main k'])
  expect(scopedKeys({ ...run, branch: 'side' }, 'k')).toEqual(['heads/side k', 'heads/main k'])
  expect(scopedKeys({ ...run, tag: 'v1' }, 'k')).toEqual(['tags/v1 k', 'heads/main k'])
  const pullRequest = { number: 7, base: 'main', fork: false }
  expect(scopedKeys({ ...run, pullRequest }, 'k')).toEqual(['pull/7 k', 'heads/main k'])
})
