import { parseImageReference } from '@taxiway/registry/reference.ts'
import { expect, test } from 'vitest'

const digest = `sha256:${'a'.repeat(64)}`

test.each([
  ['busybox', { registry: 'docker.io', repository: 'library/busybox' }],
  ['shop/web:1.2', { registry: 'docker.io', repository: 'shop/web', tag: '1.2' }],
  ['127.0.0.1:5000/a/b/c:main', { registry: '127.0.0.1:5000', repository: 'a/b/c', tag: 'main' }],
  ['localhost/web', { registry: 'localhost', repository: 'web' }],
  [`ghcr.io/shop/web:x@${digest}`, { registry: 'ghcr.io', repository: 'shop/web', tag: 'x', digest }],
  ['localhost:5000/web', { registry: 'localhost:5000', repository: 'web' }],
])('%s is understood', (text, parsed) => {
  expect(parseImageReference(text)).toEqual(parsed)
})

test.each(['', 'UPPER/case', '--rm', 'a b', 'web:', 'web@sha256:12', 'http://host/web', 'a//b', 'web:-x'])(
  '%j is no image reference',
  (text) => {
    expect(parseImageReference(text)).toBeUndefined()
  },
)
