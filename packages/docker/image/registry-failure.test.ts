import { expect, test } from 'vitest'
import { registryAway, registryFailure } from './registry-failure.ts'

const image = 'registry.example.com/node:24'
const head = 'Head "https://registry.example.com/v2/node/manifests/24"'
test.each([
  [
    'pulling from host registry.example.com failed with status code [manifests 24]: 429 Too Many Requests',
    'registry_unavailable',
  ],
  [
    'unexpected status from HEAD request to https://registry.example.com/v2/node/manifests/24: 503 Service Unavailable',
    'registry_unavailable',
  ],
  [
    'toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating',
    'registry_unavailable',
  ],
  [`failed to do request: ${head}: dial tcp 10.0.0.1:443: connect: connection refused`, 'registry_unavailable'],
  [
    `failed to do request: ${head}: dial tcp: lookup registry.example.com on 10.0.0.53:53: no such host`,
    'registry_unavailable',
  ],
  [`failed to do request: ${head}: net/http: TLS handshake timeout`, 'registry_unavailable'],
  [
    'failed to copy: httpReadSeeker: failed open: unexpected status code https://registry.example.com/x: 502 Bad Gateway',
    'registry_unavailable',
  ],
  [`failed to do request: ${head}: EOF`, 'registry_unavailable'],
  [`${image}: not found`, 'image_not_found'],
  ['manifest unknown: manifest unknown', 'image_not_found'],
  [
    'pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed',
    'image_not_found',
  ],
  [
    'pulling from host registry.example.com failed with status code [manifests 24]: 403 Forbidden',
    'registry_auth_failed',
  ],
  ['failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized', 'registry_auth_failed'],
  ['no match for platform in manifest', undefined],
])('%s: %s', (words, code) => {
  expect(registryFailure(words, image, 'registry.example.com')?.code).toBe(code)
})

test("the registry's words are in the reason", () => {
  const words = 'pulling from host registry.example.com failed with status code [manifests 24]: 429 Too Many Requests'
  expect(registryFailure(words, image, 'registry.example.com')?.message).toBe(
    `Registry registry.example.com failed: ${words}.`,
  )
})

test('when a registry says in its words shall be asked again, it is', () => {
  const words = 'toomanyrequests: retry-after: 12.5s, allowed: 44000/minute'
  expect(registryFailure(words, image, 'registry.example.com')).toMatchObject({
    code: 'registry_unavailable',
    retryAfterMs: 12_500,
  })
  expect(registryAway('toomanyrequests: slow down', 'registry.example.com')).not.toHaveProperty('retryAfterMs')
})

test('the name of an image is no word of the registry', () => {
  expect(registryFailure('example.com/404: no match for platform', 'example.com/404', 'example.com')).toBeUndefined()
  expect(registryFailure('status code [manifests x]: 403 Forbidden', 'example.com/404', 'example.com')?.code).toBe(
    'registry_auth_failed',
  )
})
