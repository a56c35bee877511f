import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { makeRegistryApi } from './api.ts'

const digest = `sha256:${'a'.repeat(64)}`
let close = () => {}
afterEach(() => close())

/** A registry that gives these answers, the last of them for ever. @returns its API, and how often it was asked */
async function registry(...answers: [number, Record<string, string>][]) {
  let asked = 0
  const server = createServer((_, answer) => {
    answer.writeHead(...(answers[Math.min(asked++, answers.length - 1)] ?? [500, {}])).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  close = () => void server.close()
  const api = makeRegistryApi(`127.0.0.1:${(server.address() as AddressInfo).port}`, undefined)
  return { tag: () => api.digest('team/tool', 'one'), asked: () => asked }
}
const found: [number, Record<string, string>] = [200, { 'docker-content-digest': digest }]

test.each([429, 503])('a registry that answers %s is asked again when it says, and not before', async (status) => {
  const { tag, asked } = await registry([status, { 'retry-after': '1' }], found)
  const beganMs = performance.now()
  expect(await tag()).toBe(digest)
  expect(performance.now() - beganMs).toBeGreaterThan(990)
  expect(asked()).toBe(2)
})

test.each([
  ['says nothing', {}, 1],
  ['asks for more than a step may wait', { 'retry-after': '3600' }, 1],
  ['asks for it for ever', { 'retry-after': '0' }, 3],
])('one that %s is taken at its word', async (_what, headers, times) => {
  const { tag, asked } = await registry([429, headers as Record<string, string>])
  await expect(tag()).rejects.toThrow('answered 429')
  expect(asked()).toBe(times)
})
