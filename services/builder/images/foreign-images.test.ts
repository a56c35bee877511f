import { expect, test } from 'vitest'
import { publishedByOthers } from './foreign-images.ts'

const repositories = [{ name: 'Shop/Web' }, { name: 'shop/web-admin' }, { name: 'shop/api' }]

test.each([
  ['127.0.0.1:5000/shop/api/api:run-4', true],
  [`127.0.0.1:5000/shop/api/api@sha256:${'a'.repeat(64)}`, true],
  ['localhost:5000/shop/api/api', true],
  ['127.1.2.3:5000/shop/web-admin/x/y:1', true],
  ['127.0.0.1:5000/shop/web/web:run-4', false],
  ['127.0.0.1:5000/base/tools:one', false],
  ['127.0.0.1:5001/shop/api/api', false],
  ['docker.io/shop/api', false],
  ['busybox:stable', false],
])('%s is published by another repository: %s', (image, is) => {
  expect(publishedByOthers('127.0.0.1:5000', 'shop/web', repositories)(image)).toBe(is)
})

test('a prefix, and registries under several names, count', () => {
  const others = publishedByOthers('registry.example.com/apps', 'shop/web', repositories)
  expect(others('Registry.example.com/apps/shop/api/api:1')).toBe(true)
  expect(others('registry.example.com/shop/api/api:1')).toBe(false)
  expect(publishedByOthers('docker.io/apps', 'shop/web', repositories)('index.docker.io/apps/shop/api/api')).toBe(true)
})
