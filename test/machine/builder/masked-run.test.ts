import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startRedis } from '../../../deploy/local/redis.ts'
import { checkOracle } from '../../oracle.ts'
import { makeWorld } from '../../world/make-world.ts'
import { isOver } from '../../world/taxiway.ts'

const secret = 'Tr0ub4dor & "3"/tail-of-it'
const key = `-----BEGIN KEY-----\n${'MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n'.repeat(8)}-----END KEY-----\n`
/** Prints the secret in every way that a careless script finds. */
const script = `set -e
s='${secret}'
echo "raw: $s"
printf 'Tr0ub4'; sleep 0.3; printf 'dor & "3"/ta'; sleep 0.3; echo 'il-of-it'
i=0; while [ $i -lt ${secret.length} ]; do printf %s "\${s:$i:1}"; i=$((i+1)); done; echo
echo "base64: $(printf %s "$s" | base64) $(printf %s "$s" | base64 -w0)"
echo "shifted: $(printf %s "x$s" | base64) $(printf %s "xy$s" | base64)"
echo "long: $(printf %s "this goes before the value so that it is broken by an end of line $s" | base64)"
printf %s "$s" | hexdump -ve '1/1 "%02x"'; echo
printf %s "$s" | od -An -tx1
printf %s "$s" | hexdump -C > /dev/null
echo 'https://git:Tr0ub4dor%20%26%20%223%22%2Ftail-of-it@git.example.com/'
cat /app/key; base64 /app/key
head -c 65530 /dev/zero | tr '\\\\0' .; echo "$s"
echo "last words: $s"
exit 3
`
/** What would give it away. */
const traces = [
  'Tr0ub4dor',
  'tail-of-it',
  Buffer.from(secret).toString('base64').slice(0, 16),
  Buffer.from(`x${secret}`).toString('base64').slice(4, 20),
  Buffer.from(`xy${secret}`).toString('base64').slice(4, 20),
  Buffer.from(secret).toString('hex').slice(0, 16),
  '54 72 30 75 62',
  'MIIEvQIBADAN',
  Buffer.from('MIIEvQIBADANBgkqhk').toString('base64').slice(0, 20),
  Buffer.from('xMIIEvQIBADANBgkqhk').toString('base64').slice(4, 20),
]

test('a secret that a test prints, however it does, is in no log, reason, status, event or file of ours', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'taxiway-masked-'))
  const redis = await startRedis({ folder: join(folder, 'parts'), say: () => {} }, { fresh: true })
  const { DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
  const environment = { REDIS_URL: redis.address, DOCKER_HOST, TAXIWAY_REGISTRY }
  const name = `acme/masked-${process.pid}`
  const world = await makeWorld({ folder: join(folder, 'world'), environment, target: 'docker', name, say: () => {} })
  try {
    const { taxiway, repository } = world
    for (const [secretName, value] of Object.entries({ PASSWORD: secret, KEY: key })) {
      const put = await taxiway.call('PUT', `/repos/${repository.id}/secrets/${secretName}`, { value })
      expect(put.status).toBe(204)
    }
    const dockerfile = 'FROM busybox:stable\nCOPY test.sh key /app/\n'
    const pushed = await world.push({ 'test.sh': script, key, Dockerfile: dockerfile }, 'Tells everything')
    const run = await taxiway.waitRun(pushed.runId, isOver, 90_000)
    const log = await taxiway.log(pushed.runId)
    expect(run).toMatchObject({ state: 'failed', reason: { code: 'test_failed' } })
    expect(run.reason.message).toBe('Test unit failed with exit code 3: last words: ***.')
    expect(log).toContain('raw: ***\n')
    expect(log).toContain('https://git:***@git.example.com/')
    expect(log).toContain('long: ')
    const statuses = JSON.stringify(await world.statuses(pushed.sha))
    for (const trace of traces)
      for (const [what, text] of Object.entries({ log, run: JSON.stringify(run), statuses }))
        expect([what, trace, text.includes(trace)]).toEqual([what, trace, false])
    const place = join(folder, 'parts')
    const files = readdirSync(place, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    const taxiways = readdirSync(join(folder, 'world', 'taxiway'), { withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    )
    expect(files.length + taxiways.length).toBeGreaterThan(2)
    for (const entry of [...files, ...taxiways]) {
      const text = readFileSync(join(entry.parentPath, entry.name), 'latin1')
      for (const trace of traces) expect([entry.name, trace, text.includes(trace)]).toEqual([entry.name, trace, false])
    }
    await checkOracle({ ...world.observed, secrets: [...world.observed.secrets, secret, key] })
  } finally {
    await world.stop()
    await redis.stop()
  }
})
