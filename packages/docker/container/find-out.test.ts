import { expect, test } from 'vitest'
import { baseOf, isGlob } from './find-out.ts'

test.each([
  ['/dist/*.whl', '/dist'],
  ['/app/**/junit-*.xml', '/app'],
  ['/*.log', '/'],
  ['/a/../b/{x,y}/z', '/b'],
  ['/a/b', '/a/b'],
])('%s looks into %s', (glob, base) => {
  expect(baseOf(glob)).toBe(base)
  expect(isGlob(glob)).toBe(glob !== '/a/b')
})
