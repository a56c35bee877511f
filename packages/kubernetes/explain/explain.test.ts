import { expect, test } from 'vitest'
import { plain } from '../apply/refusal.ts'
import { runtimeMessage } from './why-pods.ts'

test("a runtime's message loses the preambles of every layer", () => {
  expect(
    runtimeMessage(
      'rpc error: code = Unknown desc = Error response from daemon: manifest for a/b@sha256:1 not found: manifest unknown: manifest unknown',
    ),
  ).toBe('manifest for a/b@sha256:1 not found: manifest unknown')
  expect(
    runtimeMessage(
      'rpc error: code = NotFound desc = failed to pull and unpack image "a/b@sha256:1": failed to resolve reference "a/b@sha256:1": a/b@sha256:1: not found',
    ),
  ).toBe('a/b@sha256:1: not found')
})

test("the server's objections lose their preamble, not their path", () => {
  expect(plain('Service "web" is invalid: spec.ports[0].port: Invalid value: 99999: must be between 1 and 65535')).toBe(
    'spec.ports[0].port: Invalid value: 99999: must be between 1 and 65535',
  )
  expect(plain('Deployment.apps "web" is invalid: spec.x: Required value.')).toBe('spec.x: Required value')
  expect(plain('failed to create typed patch object: .spec.bogus: field not declared in schema')).toBe(
    'spec.bogus is a field that this cluster does not know',
  )
})
