import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { oracleAfterEach } from '../../oracle/after-each.ts'
import { freePort } from '../../world/taxiway.ts'
import { eventually } from '../../world/world.ts'
import { gateScene } from './gate-scene.ts'

const { world, unrule, over, waits, push, answers } = await gateScene('gates-program')
beforeAll(async () => {
  expect(await over((await push('11')).runId)).toMatchObject({ state: 'succeeded' })
})
beforeEach(unrule)
afterAll(() => world.stop())
oracleAfterEach(() => world.observed)

/** The real program, as a process of its own. */
async function taxiway(args: string[], environment: Record<string, string> = {}) {
  const main = join(import.meta.dirname, '../../../services/cli/main.ts')
  const own = { TAXIWAY_URL: world.taxiway.url, TAXIWAY_TOKEN: world.taxiway.token, NO_COLOR: '1' }
  const child = spawn(process.execPath, [main, ...args], { env: { ...process.env, ...own, ...environment } })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      text += chunk
    })
  const [code] = await once(child, 'close')
  return { code, text }
}

test('the program does all of that, and ends with 1 and the sentence of the server when it is refused', async () => {
  const { name } = world.repository
  const before = (await world.visit()).trim()
  const { runId } = await push('12', 'approval: required')
  const { url } = await waits(runId, 'approval')
  expect(await taxiway(['approve', `${url}#log`, '--wait'])).toEqual({
    code: 0,
    text: expect.stringMatching(/#\d+ may go to production\.\n.*\n {2}succeeded\n$/),
  })
  await answers('version 12')
  const back = await taxiway(['rollback', name, 'production', '--wait', '--json'])
  expect(JSON.parse(back.text)).toMatchObject({ event: 'rollback', state: 'succeeded' })
  await answers(before)
  expect((await taxiway(['deploy', name, 'production', runId])).code).toBe(0)
  const waiting = await eventually(async () => {
    const { items } = (await world.taxiway.call('GET', `/runs?repo=${name}`)).body
    expect(items[0]).toMatchObject({ event: 'deploy', waiting: { for: 'approval' } })
    return items[0]
  }, 10_000)
  expect((await taxiway(['reject', waiting.id])).text).toContain('does not go to production')
  expect(await over(waiting.id)).toMatchObject({ state: 'cancelled' })
  const listed = await taxiway(['releases', name, 'production'])
  expect(listed.text).toMatch(
    /^\* +\d+ {2}live +[0-9a-f]{7} .* rollback of release \d+ by run #\d+ \(TAXIWAY_ADMIN_TOKEN\)/,
  )
  expect(listed.text).toContain('approved by TAXIWAY_ADMIN_TOKEN')
  expect(await taxiway(['unhold', name, 'production'])).toMatchObject({ code: 0 })
  const nobody = `http://127.0.0.1:${await freePort()}`
  for (const [args, environment, code, words] of [
    [['approve', runId], {}, 1, 'waits for no approval'],
    [['approve', runId, 'production'], {}, 0, 'may go to production'],
    [['promote', name, 'production', 'nowhere'], {}, 1, '[not_allowed_for_ref]'],
    [['rollback', name, 'production', '--to', '999'], {}, 1, '[release_not_found]'],
    [['rollback', name, 'production', '--to', 'x'], {}, 1, '--to is a number'],
    [['rollback', 'acme/nothing', 'production'], {}, 1, 'It knows acme/'],
    [['releases', name], {}, 2, 'Usage: taxiway releases REPO ENVIRONMENT'],
    [['releases', name, 'production', '--nonsense'], {}, 2, 'nonsense'],
    [['releases', name, 'production'], { TAXIWAY_TOKEN: '' }, 1, 'Set TAXIWAY_TOKEN'],
    [['releases', name, 'production'], { TAXIWAY_TOKEN: 'wrong' }, 1, '[unauthorized]'],
    [['releases', name, 'production'], { TAXIWAY_URL: nobody }, 1, 'does not answer: ECONNREFUSED'],
    [['releases', name, 'production', '--server', 'ftp://x'], {}, 1, 'no address of a server'],
    [['promote', '--help'], {}, 0, 'Usage: taxiway promote REPO FROM TO'],
  ] as const) {
    const answer = await taxiway([...args], { ...environment })
    expect([args.join(' '), answer.code, answer.text]).toEqual([args.join(' '), code, expect.stringContaining(words)])
  }
})
