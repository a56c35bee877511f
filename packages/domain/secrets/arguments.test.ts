import { expect, test } from 'vitest'
import { secretLikeArguments } from './arguments.ts'

test('an argument with the name of a secret, or a name like one, is found; others are not', () => {
  const args = {
    NPM_TOKEN: '',
    DB_PASSWORD: '',
    apikey: '',
    DEPLOY: '',
    VERSION: '',
    TOKENIZER: '',
    AWS_SECRET_ACCESS_KEY: '',
  }
  expect(secretLikeArguments(args, ['DEPLOY'])).toEqual([
    'NPM_TOKEN',
    'DB_PASSWORD',
    'apikey',
    'DEPLOY',
    'AWS_SECRET_ACCESS_KEY',
  ])
})
