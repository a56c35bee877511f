import { globSync, readdirSync, readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { git as runGit } from '@taxiway/git/git.ts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  argumentsOf,
  closeScene,
  codeOf,
  connectionsOf,
  credentials,
  fetched,
  listen,
  mirrorFolder,
  openScene,
  originOf,
  push,
  pwned,
  scene,
  token,
} from './git-scene.ts'

beforeEach(openScene)
afterEach(closeScene)

test('a redirect is refused, and the other place is not even asked', async () => {
  const sha = push()
  const seen: IncomingMessage[] = []
  const evil = await listen((request, response) => {
    seen.push(request)
    response.end()
  })
  for (const status of [301, 302, 307, 308]) {
    scene.intercept = (request, response) => {
      response.writeHead(status, { location: `${originOf(evil)}${request.url}` }).end()
      return true
    }
    expect(await codeOf(sha, { allowedOrigins: [originOf(scene.server), originOf(evil)] })).toBe('git_redirected')
  }
  expect(seen).toEqual([])
  expect(scene.requests[0]?.headers.authorization).toBe(`Basic ${credentials}`)
})

test('the token goes to its origin only, through the environment: in no argument and in no file', async () => {
  const sha = push()
  const commandLines: string[] = []
  scene.intercept = (request, response) => {
    for (const pid of readdirSync('/proc')) if (/^\d+$/.test(pid)) commandLines.push(argumentsOf(pid))
    return request.headers.authorization === undefined && !!response.writeHead(401).end()
  }
  await fetched(sha)
  expect(commandLines.some((line) => line.includes('git fetch') || line.includes('remote-http'))).toBe(true)
  expect(commandLines.join('\n')).not.toMatch(new RegExp(`${token}|${credentials}`))
  const files = globSync('**/*', { cwd: mirrorFolder(), withFileTypes: true }).filter((entry) => entry.isFile())
  expect(files.length).toBeGreaterThan(2)
  for (const file of files) {
    const text = readFileSync(join(file.parentPath, file.name), 'latin1')
    expect(text.includes(token) || text.includes(credentials)).toBe(false)
  }
  const other = await listen((request, response) => {
    scene.requests.push(request)
    response.writeHead(404).end()
  })
  scene.requests = []
  const remote = { origin: originOf(scene.server), token }
  await runGit(['ls-remote', '--', `${originOf(other)}/o/r.git`], { folder: mirrorFolder(), deadlineMs: 5000, remote })
  expect(scene.requests.map(({ headers }) => headers.authorization)).toEqual([undefined])
})

test('private and odd places see no connection', async () => {
  const { port } = scene.server.address() as AddressInfo
  const before = await connectionsOf(scene.server)
  const lookup = async () => ['140.82.121.4', '127.0.0.1']
  for (const url of [
    `http://127.0.0.1:${port}/o/r.git`,
    `http://127.1:${port}/o/r.git`,
    `http://0x7f000001:${port}/o/r.git`,
    `http://[::ffff:7f00:1]:${port}/o/r.git`,
    `https://127.0.0.1:${port}/o/r.git`,
    `https://flips.example.com/o/r.git`,
    'http://169.254.169.254/latest/meta-data',
    `ext::sh -c touch% ${pwned}`,
    `file://${scene.bare}`,
    scene.bare,
    `ssh://-oProxyCommand=touch ${pwned}/x`,
    'git@-x:o/r',
    `--upload-pack=touch ${pwned}`,
  ])
    expect([url, await codeOf('a'.repeat(40), { url, allowedOrigins: [], lookup })]).toEqual([url, 'url_not_allowed'])
  expect(await connectionsOf(scene.server)).toBe(before)
  expect(scene.requests).toEqual([])
})

test('git connects to the address that was checked, whatever the name says later', async () => {
  push()
  const { port } = scene.server.address() as AddressInfo
  const origin = `http://git.example.com:${port}`
  const call = { folder: scene.folder, deadlineMs: 5000, remote: { origin, pin: `git.example.com:${port}:127.0.0.1` } }
  const listed = await runGit(['ls-remote', '--', `${origin}/o/r.git`], call)
  expect(listed.stdout.toString()).toContain('refs/heads/main')
})

test('options and lies in place of a commit or a ref are refused before git starts', async () => {
  for (const sha of ['HEAD', 'HEAD;id', `--upload-pack=touch ${pwned}`, 'abc1234', '0'.repeat(40)])
    expect(await codeOf(sha)).toBe('sha_invalid')
  for (const ref of [`--upload-pack=touch ${pwned}`, '-u', 'a..b', 'a\nb', 'a\rb', 'refs/heads/-x', 'a b', 'a:b', ''])
    expect([ref, await codeOf('a'.repeat(40), { ref })]).toEqual([ref, 'ref_invalid'])
  expect(scene.requests).toEqual([])
})

test('without a remote, git reaches nothing, not even a file', async () => {
  push()
  for (const url of [
    `file://${scene.bare}`,
    scene.bare,
    `ext::sh -c touch% ${pwned}`,
    `${originOf(scene.server)}/o/r.git`,
  ]) {
    const listed = await runGit(['ls-remote', '--', url], { folder: scene.folder, deadlineMs: 5000 })
    expect(listed.exitCode).not.toBe(0)
    expect(listed.stderr).toMatch(/not allowed/)
  }
})
