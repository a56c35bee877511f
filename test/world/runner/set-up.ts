import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { styleText } from 'node:util'
import type { TestProject } from 'vitest/node'
import { ensureBaseImages } from '../../../deploy/local/base-images.ts'
import { startLocal } from '../../../deploy/local/start.ts'

const machine = ['engine', 'registry'] as const
/** What the files of a project share. Redis is not among it: each file has its own (own-redis.ts). */
const parts = { machine, alone: machine, cluster: [...machine, 'kubernetes'] as const }

/** Finds or starts the real parts that the projects of this run share, and puts their addresses into the environment. @returns what stops them */
export default async function setUp({ vitest }: TestProject): Promise<(() => Promise<void>) | undefined> {
  const wanted = new Set(vitest.projects.flatMap(({ name }) => parts[name as keyof typeof parts] ?? []))
  if (wanted.size === 0) return undefined
  const say = (line: string) => process.stderr.write(`  ${line}\n`)
  const folder = mkdtempSync(join(tmpdir(), 'taxiway-test-'))
  const local = await startLocal({ parts: [...wanted], folder, say })
  Object.assign(process.env, local.env)
  await ensureBaseImages({ dockerHost: local.env.DOCKER_HOST ?? '', say })
  let death: Error | undefined
  void local.died.then((words) => {
    death = new Error(`What the tests stand on is gone: ${words}`)
    process.stderr.write(`${styleText('red', death.message)}\n`)
    void vitest.cancelCurrentRun('test-failure')
  })
  return async () => {
    await local.stop()
    if (death) throw death
  }
}
