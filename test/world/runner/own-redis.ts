// A Redis for each test file: what one leaves open, fills or kills is nobody else's.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { startRedis } from '../../../deploy/local/redis.ts'

const folder = mkdtempSync(join(tmpdir(), 'taxiway-redis-'))
const redis = await startRedis({ folder, say: () => {} }, { fresh: true })
process.env.REDIS_URL = redis.address

afterAll(async () => {
  await redis.stop()
  rmSync(folder, { recursive: true, force: true })
})
