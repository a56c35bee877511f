import { expect, test } from 'vitest'
import { endIn } from './gone-job.ts'

const told = (reason: string, type = 'Normal') => ({ reason, type, message: `${reason}.`, metadata: {} })

test('a Job that the cluster removed is done, unless the last that was told of it is that it failed', () => {
  expect(endIn([])).toMatchObject({ state: 'healthy' })
  expect(endIn([told('BackoffLimitExceeded', 'Warning'), told('SuccessfulCreate'), told('Completed')])).toEqual({
    state: 'healthy',
    detail: 'complete',
  })
  expect(endIn([told('Completed'), told('SuccessfulCreate'), told('BackoffLimitExceeded', 'Warning')])).toEqual({
    state: 'failed',
    detail: 'BackoffLimitExceeded',
  })
  expect(endIn([told('FailedCreate', 'Warning')])).toMatchObject({ state: 'healthy' })
})
