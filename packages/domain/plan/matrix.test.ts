import { expect, test } from 'vitest'
import { readPipeline } from '../pipeline/read.ts'
import { makePlan } from './plan.ts'

/** The tests that a matrix makes, with their values, in order; else what is wrong with it. */
function made(matrix: object) {
  const tests = { unit: { run: ['x'], matrix } }
  const read = readPipeline({ version: 1, images: { web: {} }, test: tests }, () => undefined)
  if (!read.ok) return read.problems.map(({ message }) => message)
  const plan = makePlan(read.value, { repository: 'acme/shop', branch: 'main' })
  return plan.ok ? plan.value.tests.map(({ name, env }) => [name, env]) : plan.reason.message
}
const axes = { node: ['22', '24'], os: ['alpine', 'debian'] }

test('exclude leaves out what matches an entry in all that it names', () => {
  expect(made({ ...axes, exclude: [{ node: '22', os: 'debian' }] })).toEqual([
    ['unit (node=22, os=alpine)', { node: '22', os: 'alpine' }],
    ['unit (node=24, os=alpine)', { node: '24', os: 'alpine' }],
    ['unit (node=24, os=debian)', { node: '24', os: 'debian' }],
  ])
  expect(made({ ...axes, exclude: [{ os: 'alpine' }, { node: '22' }] })).toEqual([
    ['unit (node=24, os=debian)', { node: '24', os: 'debian' }],
  ])
})

test('include adds values to the combinations that it fits, without another name, and else is one of its own', () => {
  const include = [
    { LEVEL: 'quick' },
    { os: 'debian', LEVEL: 'full' },
    { LIBC: 'glibc', os: 'debian', node: '22' },
    { node: '26' },
    { SPEED: 'fast', os: 'arch', node: '26' },
    { node: '26', os: 'alpine' },
  ]
  expect(made({ ...axes, exclude: [{ node: '24', os: 'alpine' }], include })).toEqual([
    ['unit (node=22, os=alpine)', { node: '22', os: 'alpine', LEVEL: 'quick' }],
    ['unit (node=22, os=debian)', { node: '22', os: 'debian', LEVEL: 'full', LIBC: 'glibc' }],
    ['unit (node=24, os=debian)', { node: '24', os: 'debian', LEVEL: 'full' }],
    ['unit (node=26)', { node: '26' }],
    ['unit (node=26, os=arch, SPEED=fast)', { node: '26', os: 'arch', SPEED: 'fast' }],
    ['unit (node=26, os=alpine)', { node: '26', os: 'alpine' }],
  ])
})

test('what was excluded comes back when it is included, and a matrix may be made of include alone', () => {
  const one = { node: '22', os: 'alpine' }
  expect(made({ node: ['22'], os: ['alpine'], exclude: [one], include: [{ ...one, more: 'x' }] })).toEqual([
    ['unit (node=22, os=alpine, more=x)', { ...one, more: 'x' }],
  ])
  expect(made({ include: [{ site: 'a' }, { site: 'b', level: 'full' }] })).toEqual([
    ['unit (site=a)', { site: 'a' }],
    ['unit (site=b, level=full)', { site: 'b', level: 'full' }],
  ])
})

const many = (length: number) => Array.from({ length }, (_, index) => `${index}`)
test.each<[object, string[]]>([
  [
    { ...axes, exclude: [{ node: '23' }, { nod: '22' }, { os: 'arch', node: '22' }] },
    [
      'exclude.0.node: matches nothing: node has no value 23; did you mean 22?',
      'exclude.1.nod: nod is no variable of this matrix; did you mean node?',
      'exclude.2.os: matches nothing: os has no value arch',
    ],
  ],
  [{ ...axes, exclude: [{ node: '22' }, { node: '24' }] }, ['leaves no combination, so nothing would be tested']],
  [{ ...axes, exclude: [{}], include: [{}] }, ['exclude.0: names no variable', 'include.0: names no variable']],
  [{ a: many(20), b: many(20), exclude: [{ a: '1' }] }, ['makes 380 tests, and may make 100']],
  [{ a: many(20), b: many(6), exclude: [{ b: '5' }] }, []],
  [{ a: many(20), b: many(5), include: [{ a: 'x' }] }, ['makes 101 tests, and may make 100']],
  [
    { a: many(20), b: many(20), c: many(3), exclude: [{ a: '1' }] },
    ['has 1200 combinations before exclude, and may have 1000'],
  ],
  [Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [name, many(20)])), ['makes 160000 tests, and may make 100']],
  [{ a: ['x', 'y', 'x'] }, ['makes the combination a=x twice']],
  [{ include: [{ a: 'x' }, { a: 'x' }] }, ['makes the combination a=x twice']],
  [{ a: ['1'], include: 'x' }, ['include: must be a list']],
  [{ a: ['1'], include: [{ b: 2 }] }, ['include.0.b: must be text: write "2" in quotes']],
  [{ a: ['1'], exclude: [{ a: ['1'] }] }, ['exclude.0.a: must be text']],
  [{ a: ['1'], exclude: [] }, ['exclude: must have at least one entry']],
])('%j: %j', (matrix, problems) => {
  const told = made(matrix)
  if (problems.length === 0) return expect(told).toHaveLength(100)
  expect(told).toEqual(problems.map((one) => `test.unit.matrix${/^(in|ex)clude/.test(one) ? '.' : ': '}${one}`))
})
