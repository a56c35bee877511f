import { expect, test } from 'vitest'
import { adviceFor } from './advice.ts'
import { listed } from './missing.ts'

const has = listed(['test.sh', 'scripts/check.mjs', 'package.json', 'node', 'README.md'])
const advice = async (image: string, run: string[]) =>
  (await adviceFor({ version: 1, images: { web: {} }, test: { unit: { image, run } } }, has)).map(
    ({ path, detail }) => `${path.join('.')}: ${detail}`,
  )

test('commands that name files of the tree, in an image that has none of them, are told once', async () => {
  expect(await advice('node:24', ['npm --version', 'sh -e ./test.sh', 'node scripts/check.mjs'])).toEqual([
    "test.unit.run.1: node:24 is no image of this pipeline, so the commit's files are not in it, nor is ./test.sh; test in an image whose Dockerfile copies them",
  ])
  expect(await advice('node:24', ['cd scripts/ && ls'])).toHaveLength(1)
  expect(await advice('node:24', ['node "scripts/check.mjs" --all'])).toHaveLength(1)
})

test.each([
  ['web', 'sh test.sh'],
  ['node:24', 'node --version'],
  ['node:24', 'sh /app/test.sh'],
  ['node:24', 'sh other.sh'],
  ['node:24', 'git clone https://example.com/x.git . && sh test.sh'],
  ['node:24', 'wget https://example.com/package.json'],
  ['node:24', 'echo ../test.sh'],
])('in %s, "%s" is right', async (image, command) => {
  expect(await advice(image, [command])).toEqual([])
})
