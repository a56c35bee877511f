import { parseImageReference } from '@taxiway/registry/reference.ts'
import { expect, test } from 'vitest'
import { imageFolder } from './image-name.ts'

test.each(['acme/web', 'acme/Shop', 'acme/my.site', 'acme/a__b', 'acme/a--b'])('%s keeps its name', (name) => {
  expect(imageFolder(name)).toBe(name.toLowerCase())
})

test('any other name becomes one that registries take, the same each time, and of no other repository', () => {
  const names = [
    'acme/x-',
    'acme/-x',
    'acme/x',
    'acme/x.',
    'acme/x_',
    'acme/x..y',
    'acme/x.-y',
    'acme/_',
    '-a-/x',
    'acme/x___y',
  ]
  const folders = names.map(imageFolder)
  expect(new Set(folders).size).toBe(names.length)
  expect(names.map(imageFolder)).toEqual(folders)
  for (const folder of folders)
    expect([folder, parseImageReference(`registry.example.com/${folder}/web`)?.repository]).toEqual([
      folder,
      `${folder}/web`,
    ])
  expect(imageFolder('acme/x-')).toMatch(/^acme\/x-[0-9a-f]{10}$/)
})
