import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureBaseImages } from '../deploy/local/base-images.ts'
import { startLocal } from '../deploy/local/start.ts'

type Parts = Parameters<typeof startLocal>[0]['parts']

/** Finds or starts the real parts for a test run and puts their addresses into the environment. @returns what stops them */
export async function setUp(parts: Parts): Promise<() => Promise<void>> {
  const say = (line: string) => process.stderr.write(`  ${line}\n`)
  const folder = mkdtempSync(join(tmpdir(), 'taxiway-test-'))
  const local = await startLocal({ parts, folder, say })
  Object.assign(process.env, local.env)
  await ensureBaseImages({ dockerHost: local.env.DOCKER_HOST ?? '', say })
  return () => local.stop()
}
