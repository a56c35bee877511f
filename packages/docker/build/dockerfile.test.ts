import { expect, test } from 'vitest'
import { checkDockerfile, dockerfileImages, dockerfileStages, forbiddenBuildArg, hasCacheMounts } from './dockerfile.ts'

test('named stages are listed in lower case, with and without a platform', () => {
  const text = 'FROM node:24 AS Base\nRUN true\nfrom --platform=linux/amd64 base as test\r\nFROM base\n# FROM x AS y\n'
  expect(dockerfileStages(text)).toEqual(['base', 'test'])
})

test("the line for Docker's own frontend is taken out and line numbers stay true", () => {
  const checked = checkDockerfile('# syntax=docker/dockerfile:1.7\n# escape=`\nFROM scratch\n')
  expect(checked).toEqual({ ok: true, value: '# escape=`\n\nFROM scratch\n' })
})

test.each([
  '# syntax=evil/frontend\nFROM scratch',
  '\ufeff#syntax = evil.example/docker/dockerfile:1\nFROM scratch',
  '#!/bin/x\n// syntax=evil/frontend\nFROM scratch',
  '{"syntax": "evil/frontend"}',
  '# escape=`\n#SYNTAX=docker/dockerfile-evil:1\nFROM scratch',
])('a foreign frontend is refused: %j', (text) => {
  expect(checkDockerfile(text)).toMatchObject({ ok: false, reason: { code: 'option_not_allowed' } })
})

test.each(['RUN --security=insecure id', 'run --mount=type=cache,target=/x \\\n --network=host id'])(
  'an entitlement is refused: %j',
  (line) => {
    const checked = checkDockerfile(`FROM scratch\n${line}\n`)
    expect(checked).toMatchObject({ ok: false, reason: { code: 'option_not_allowed' } })
  },
)

test.each([
  ['RUN --mount=type=cache,target=/x make', true],
  ['RUN --mount=target=/x,type=cache make', true],
  ['RUN --mount=type=secret,id=cache cat /run/secrets/cache', false],
])('a step keeps its work in a cache mount: %s', (line, wanted) => {
  expect(hasCacheMounts(`FROM a\n${line}\n`)).toBe(wanted)
})

test('the images that a Dockerfile takes from elsewhere', () => {
  const text = `# FROM comment
ARG VERSION=24
ARG TOOLS="reg.example.com/tools:\${VERSION}-x" OTHER
arg OWN
FROM --platform=linux/amd64 node:$VERSION AS Build
ARG VERSION=99
RUN --mount=type=bind,from=busybox:stable,target=/x --mount=type=cache,target=/y \\
  --mount=type=bind,from=build,target=/z true
FROM \${TOOLS} as tools
FROM \${OTHER:-alpine:3}
FROM \${OWN}
FROM build
FROM scratch
COPY --from=build /a /a
COPY --from=0 /a /a
COPY --from=docker.io/library/redis:8 /a /a
FROM unknown:\${NOWHERE}
`
  expect(dockerfileImages(text, { OWN: 'taxiway-work/run:1-base' })).toEqual([
    'node:24',
    'busybox:stable',
    'reg.example.com/tools:24-x',
    'alpine:3',
    'taxiway-work/run:1-base',
    'docker.io/library/redis:8',
  ])
  expect(dockerfileImages(text, { VERSION: '22', OWN: 'a', OTHER: 'b' })).toContain('node:22')
})

test('a plain Dockerfile is left as it is', () => {
  const text = '# The app\nFROM busybox:stable\nRUN echo syntax=x --network=host\n'
  expect(checkDockerfile(text)).toEqual({ ok: true, value: text })
})

test('a build argument that chooses the frontend is forbidden, a plain one is not', () => {
  expect(forbiddenBuildArg({ VERSION: '1', BUILDKIT_SYNTAX: 'evil/frontend' })).toBe('BUILDKIT_SYNTAX')
  expect(forbiddenBuildArg({ VERSION: '1', BUILDKIT_INLINE_CACHE: '1' })).toBeUndefined()
})

test.each([
  ['empty lines', '\n'.repeat(200_000)],
  ['spaces', ' '.repeat(200_000)],
  ['spaces in a syntax line', `#${' '.repeat(60_000)}syntax=${' '.repeat(60_000)}x${' '.repeat(60_000)}y`],
  ['flags', `RUN ${'--a '.repeat(60_000)}`],
  ['words to add', `ADD ${"'".repeat(200_000)}`],
  [
    'arguments in each other',
    Array.from({ length: 5000 }, (_, at) => `ARG A${at + 1}=$A${at}$A${at}${at ? '' : 'xx'}`).join('\n'),
  ],
  ['flags of a base image', `FROM ${'--a '.repeat(60_000)}x`],
])('a hostile Dockerfile of %s takes moments', (_what, text) => {
  // The least of some tries: the first compiles, and any may meet a collection of what others left.
  const triesMs = Array.from({ length: 3 }, () => {
    const before = process.cpuUsage()
    checkDockerfile(`FROM scratch\n${text}`)
    checkDockerfile(`${text}\nFROM scratch`)
    dockerfileStages(text)
    dockerfileImages(text, {})
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1000
  })
  expect(Math.min(...triesMs)).toBeLessThan(100)
})
