import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { expect, test } from 'vitest'
import { checkOracle } from '../oracle.ts'
import { freePort, makeTaxiway } from '../world/taxiway.ts'
import { pushBody, send } from '../world/webhooks.ts'

test('fifty copies of a delivery at two servers make one run, and so does one more after it ended', async () => {
  const folder = mkdtempSync(`${tmpdir()}/taxiway-p02-`)
  const taxiway = await makeTaxiway({
    folder,
    environment: { REDIS_URL: process.env.REDIS_URL, TAXIWAY_ALLOWED_ORIGINS: 'http://127.0.0.1:9' },
  })
  await taxiway.start(['api'])
  const port = await freePort()
  await taxiway.start(['api'], { TAXIWAY_PORT: String(port) })
  const { id, webhook } = (
    await taxiway.call('POST', '/repos', { host: 'github', url: `http://127.0.0.1:9/acme/twice-${port}.git` })
  ).body
  const other = { ...webhook, url: webhook.url.replace(/:\d+\//, `:${port}/`) }
  const body = pushBody(`acme/twice-${port}`, 'c'.repeat(40))
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, index) => send(index % 2 ? webhook : other, body, { id: 'the-same' })),
  )
  expect(answers.filter(({ status }) => status === 202)).toHaveLength(1)
  expect(answers.filter(({ status, body: answer }) => status === 200 && answer.duplicate === true)).toHaveLength(49)
  const [runId, ...others] = new Set(answers.map((answer) => answer.body.runId))
  expect(others).toEqual([])
  expect((await taxiway.call('POST', `/runs/${runId}/cancel`)).body).toMatchObject({
    state: 'cancelled',
    reason: { code: 'cancelled_by' },
  })
  expect(await send(webhook, body, { id: 'the-same' })).toMatchObject({ status: 200, body: { duplicate: true, runId } })
  expect((await taxiway.call('GET', `/runs?repo=${id}`)).body.items).toHaveLength(1)
  await checkOracle({
    taxiway,
    repositories: [{ id, name: `acme/twice-${port}` }],
    acknowledged: new Map([['the-same', runId]]),
    host: { absent: 'the repository is nowhere' },
    engine: { absent: 'nothing is built' },
    running: { absent: 'nothing is deployed' },
    secrets: [webhook.secret, taxiway.token],
  })
  await taxiway.stop()
})
