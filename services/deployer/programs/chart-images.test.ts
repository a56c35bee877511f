import { expect, test } from 'vitest'
import { imageValues } from './chart-images.ts'

const digest = `sha256:${'a'.repeat(64)}`
const reference = `localhost:5000/shop/web@${digest}`
const made = (at: string | string[]) => imageValues({ web: at }, [{ name: 'web', reference }], 'run-7')

test('the last key of a path says what of an image stands there', () => {
  expect(made('web.image')).toEqual({ 'web.image': reference })
  expect(made(['image.repository', 'image.tag', 'image.digest'])).toEqual({
    'image.repository': 'localhost:5000/shop/web',
    'image.tag': 'run-7',
    'image.digest': digest,
  })
  expect(made(['a.registry', 'a.repository', 'b.repository'])).toEqual({
    'a.registry': 'localhost:5000',
    'a.repository': 'shop/web',
    'b.repository': 'localhost:5000/shop/web',
  })
  expect(made(['registry', 'repository', 'workers[0].image'])).toEqual({
    registry: 'localhost:5000',
    repository: 'shop/web',
    'workers[0].image': reference,
  })
})

test('an image that was not published has no values', () => {
  expect(imageValues({ other: 'image', web: 'image' }, [{ name: 'web' }], 'run-7')).toEqual({})
})
