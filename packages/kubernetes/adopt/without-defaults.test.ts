import { expect, test } from 'vitest'
import { withoutDefaults } from './without-defaults.ts'

test('what the server would fill in as well is left out, and what means the same is said alike', () => {
  const was = {
    spec: {
      replicas: 2,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%' } },
      template: { containers: [{ name: 'web', image: 'a', cpu: '500m', policy: 'Always', env: { OLD: '1' } }] },
    },
  }
  const wanted = { spec: { replicas: 3, template: { containers: [{ name: 'web', image: 'b', cpu: '0.5' }] } } }
  const filled = {
    spec: {
      replicas: 3,
      strategy: { rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' }, type: 'RollingUpdate' },
      template: { containers: [{ name: 'web', image: 'b', cpu: '500m', policy: 'IfNotPresent' }] },
    },
  }
  expect(withoutDefaults(was, wanted, filled)).toEqual({
    spec: {
      replicas: 2,
      template: { containers: [{ name: 'web', image: 'a', cpu: '0.5', policy: 'Always', env: { OLD: '1' } }] },
    },
  })
})
