import { expect, test } from 'vitest'
import { readPipelineFile } from './pipeline-file.ts'

async function problemsOf(text: string) {
  const read = await readPipelineFile(text)
  return 'problems' in read ? read.problems.map(({ line, column, message }) => `${line}:${column} ${message}`) : 'valid'
}

test('all problems are told at once, each with line and column', async () => {
  const text = `version: 1
imagse: { web: {} }
images: { web: { dockerfle: x } }
test:
  unit:
    run: [x]
    timout: 1m
    retry: 9
  lint: { image: web }
`
  expect(await problemsOf(text)).toEqual([
    '2:1 imagse: unknown key, did you mean images?',
    '3:18 images.web.dockerfle: unknown key, did you mean dockerfile?',
    '7:5 test.unit.timout: unknown key, did you mean timeout?',
    '8:5 test.unit.retry: must be a whole number from 0 to 5',
    '9:3 test.lint: needs run',
  ])
  const read = await readPipelineFile(text)
  expect(!read.ok && read.reason.message).toBe(
    '.taxiway.yaml is not valid: line 2: imagse: unknown key, did you mean images? (and 4 more problems; taxiway lint shows all).',
  )
})

test('what does not go together is told at once, too', async () => {
  const text = `version: 1
images: { web: {}, api: { from: { BASE: bas } } }
test: { unit: { image: wbe, run: [x], needs: [lint] } }
deploy: { live: { after: staging, timezone: Mars } }
`
  expect(await problemsOf(text)).toHaveLength(5)
})

test('an entry of a matrix that matches nothing is told where it stands', async () => {
  const text = `version: 1
images: { web: {} }
test:
  unit:
    run: [x]
    matrix:
      NODE: ['22', '24']
      exclude:
        - { NODE: '23' }
        - NDOE: '22'
`
  expect(await problemsOf(text)).toEqual([
    '9:13 test.unit.matrix.exclude.0.NODE: matches nothing: NODE has no value 23; did you mean 22?',
    '10:11 test.unit.matrix.exclude.1.NDOE: NDOE is no variable of this matrix; did you mean NODE?',
  ])
})

test.each([
  ['matrix: { PYTHON: [3.10] }', /^5:24 .*must be text: write "3\.10" in quotes$/],
  ['matrix: { A: [0x1F, 1e3] }', /write "0x1F" in quotes$/],
  ['env: { A: 007 }', /write "007" in quotes$/],
  ['env: { A: True }', /write "True" in quotes$/],
  ['env: { A: 1_000 }', /^valid$/],
])('advice has what stands in the file: %s', async (line, message) => {
  const told = await problemsOf(`version: 1\nimages: { web: {} }\ntest:\n  unit:\n    ${line}\n    run: [x]\n`)
  expect(typeof told === 'string' ? told : told[0]).toMatch(message)
})

test.each([
  ['- echo Result: ok', /run\.0: must be text; it has ": ", so YAML takes it for a map: put it in quotes$/],
  ['- curl -H Accept: text/plain localhost', /put it in quotes$/],
  ['- ! grep a b', /a value that begins with ! must be in quotes/],
])('a command that YAML reads as something else is told so: %s', async (line, message) => {
  const told = await problemsOf(`version: 1\nimages: { web: {} }\ntest:\n  unit:\n    run:\n      ${line}\n`)
  expect(told).toHaveLength(1)
  expect(told[0]).toMatch(/^6:\d+ /)
  expect(told[0]).toMatch(message)
})

test('so many problems have an end, and a hostile file takes moments', async () => {
  const many = await problemsOf(
    `version: 1\ntest:\n${Array.from({ length: 60 }, (_, i) => `  t${i}: { x: 1 }`).join('\n')}\n`,
  )
  expect(many).toHaveLength(20)
  const keys = Array.from({ length: 20_000 }, (_, index) => `k${index}: 1`).join('\n')
  const { user } = process.cpuUsage()
  expect(await problemsOf(`version: 1\n${keys}\n`)).toHaveLength(20)
  expect((process.cpuUsage().user - user) / 1000).toBeLessThan(3000)
})
