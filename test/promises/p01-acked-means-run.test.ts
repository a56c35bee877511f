import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startRedis } from '../../deploy/local/redis.ts'
import { makeTaxiway } from '../world/taxiway.ts'
import { pushBody, send } from '../world/webhooks.ts'

const pushes = 200
const everyMs = 20

test('whatever is killed, a push that was answered has its run', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'taxiway-p01-'))
  const store = await startRedis({ folder, say: () => {} }, { fresh: true })
  const taxiway = await makeTaxiway({
    folder: join(folder, 'taxiway'),
    environment: { REDIS_URL: store.address, TAXIWAY_ALLOWED_ORIGINS: 'http://127.0.0.1:9' },
  })
  let api = await taxiway.start(['api'])
  const hook = (await taxiway.call('POST', '/repos', { host: 'github', url: 'http://127.0.0.1:9/acme/shop.git' })).body
    .webhook
  const acked = new Map<string, string>()
  let over = false
  let kills = 0
  const chaos = async () => {
    // On a slow machine too, three of them have to be survived.
    while (!over || kills < 3) {
      await sleep(1200)
      await api.kill('SIGKILL')
      kills += 1
      if (kills % 2 === 0) await store.restart?.()
      api = await taxiway.start(['api'])
    }
  }
  const killing = chaos()
  await Promise.all(
    Array.from({ length: pushes }, async (_, index) => {
      await sleep(index * everyMs)
      const sha = (index + 1).toString(16).padStart(40, '0')
      const id = `delivery-${index}`
      // As the git host does: what was not taken is delivered again, with the same id.
      for (let tries = 0; tries < 3; tries++) {
        const answer = await send(hook, pushBody('acme/shop', sha), { id, signal: AbortSignal.timeout(3000) }).catch(
          () => undefined,
        )
        if (answer && answer.status < 300) {
          const known = acked.get(id)
          if (known) expect(answer.body.runId).toBe(known)
          acked.set(id, answer.body.runId)
        }
        await sleep(300)
      }
    }),
  )
  over = true
  await killing
  expect(kills).toBeGreaterThan(2)
  expect(acked.size).toBeGreaterThan(pushes / 4)
  for (const [id, runId] of acked) expect([id, (await taxiway.call('GET', `/runs/${runId}`)).status]).toEqual([id, 200])
  expect(new Set(acked.values()).size).toBe(acked.size)
  const all: string[] = []
  for (let after = ''; ; ) {
    const { body } = await taxiway.call('GET', `/runs?limit=100${after}`)
    all.push(...body.items.map((run: { sha: string }) => run.sha))
    if (!body.next || body.items.length === 0) break
    after = `&after=${body.next}`
  }
  expect(new Set(all).size).toBe(all.length)
  await taxiway.stop()
  await store.stop()
}, 120_000)
