import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startRedis } from '../../deploy/local/redis.ts'
import { runsOf } from '../oracle/observed.ts'
import { checkOracle } from '../oracle.ts'
import { makeTaxiway } from '../world/taxiway.ts'
import { pushBody, send } from '../world/webhooks.ts'

const pushes = 200
const everyMs = 20
const answersPerLife = 60

test('whatever is killed, a push that was answered has its run', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'taxiway-p01-'))
  const store = await startRedis({ folder, say: () => {} }, { fresh: true })
  const taxiway = await makeTaxiway({
    folder: join(folder, 'taxiway'),
    environment: { REDIS_URL: store.address, TAXIWAY_ALLOWED_ORIGINS: 'http://127.0.0.1:9' },
  })
  let api = await taxiway.start(['api'])
  const url = 'http://127.0.0.1:9/acme/shop.git'
  const { id: repo, webhook: hook } = (await taxiway.call('POST', '/repos', { host: 'github', url })).body
  const acked = new Map<string, string>()
  let over = false
  let kills = 0
  let answered = 0
  const chaos = async () => {
    while (!over || kills < 3) {
      // Each life answers some, however slow the machine is, and ends in the middle of others.
      const enough = answered + answersPerLife
      while (!over && answered < enough) await sleep(20)
      await api.kill('SIGKILL')
      kills += 1
      if (kills % 2 === 0) await store.restart?.()
      api = await taxiway.start(['api'])
    }
  }
  const killing = chaos()
  const pushing = Promise.all(
    Array.from({ length: pushes }, async (_, index) => {
      await sleep(index * everyMs)
      const sha = (index + 1).toString(16).padStart(40, '0')
      const id = `delivery-${index}`
      // As the git host does: what was not taken is delivered again, with the same id; and once more when it was.
      for (let answers = 0; answers < 2; ) {
        const answer = await send(hook, pushBody('acme/shop', sha), { id, signal: AbortSignal.timeout(3000) }).catch(
          () => undefined,
        )
        if (answer && answer.status < 300) {
          answers++
          answered++
          const known = acked.get(id)
          if (known) expect(answer.body.runId).toBe(known)
          acked.set(id, answer.body.runId)
        }
        await sleep(300)
      }
    }),
  )
  // Should a process not start again, that is told.
  await Promise.race([pushing, killing])
  over = true
  await killing
  expect(kills).toBeGreaterThan(2)
  expect(acked.size).toBe(pushes)
  for (const [id, runId] of acked) expect([id, (await taxiway.call('GET', `/runs/${runId}`)).status]).toEqual([id, 200])
  expect(new Set(acked.values()).size).toBe(acked.size)
  const all = await runsOf(taxiway, { id: repo })
  expect(new Set(all.map(({ sha }) => sha)).size).toBe(all.length)
  // Nobody is there to build them.
  for (const run of all) await taxiway.call('POST', `/runs/${run.id}/cancel`)
  await checkOracle({
    taxiway,
    repositories: [{ id: repo, name: 'acme/shop' }],
    acknowledged: acked,
    host: { absent: 'the repository is nowhere' },
    engine: { absent: 'nothing is built' },
    running: { absent: 'nothing is deployed' },
    secrets: [hook.secret, taxiway.token],
  })
  await taxiway.stop()
  await store.stop()
}, 120_000)
