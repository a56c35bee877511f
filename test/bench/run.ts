import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { installPackages } from '../../deploy/local/apt.ts'
import { ensureBaseImages } from '../../deploy/local/base-images.ts'
import { findProgram } from '../../deploy/local/process.ts'
import { startRedis } from '../../deploy/local/redis.ts'
import { startLocal } from '../../deploy/local/start.ts'
import type { BenchContext, BenchResult, Row } from './figures.ts'
import { idle } from './idle.ts'
import { images } from './images.ts'
import { intake } from './intake.ts'
import { log } from './log.ts'
import { mask } from './mask.ts'
import { pipeline } from './pipeline.ts'
import { release } from './release.ts'
import { secondPush } from './second-push.ts'
import { wake } from './wake.ts'
import { watched } from './watched.ts'

const benches: Record<string, (context: BenchContext) => Promise<BenchResult>> = {
  intake,
  wake,
  idle,
  mask,
  log,
  'second-push': secondPush,
  images,
  pipeline,
  release,
  watched,
}
const usage = `Usage: npm run bench -- [--json FILE] [--only ${Object.keys(benches).join(',')}] [--rounds N]

Measures on this machine, as ratios within one run, and prints the goals beside the figures.
`

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      json: { type: 'string' },
      only: { type: 'string' },
      rounds: { type: 'string', default: '7' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) return void process.stdout.write(usage)
  const wanted = values.only?.split(',') ?? Object.keys(benches)
  const unknown = wanted.filter((name) => !(name in benches))
  if (unknown.length > 0) throw new Error(`There is no bench ${unknown.join(', ')}.\n\n${usage}`)
  const say = (line: string) => void process.stderr.write(`  ${line}\n`)
  const folder = mkdtempSync(join(tmpdir(), 'taxiway-bench-'))
  const needsCluster = wanted.some((name) => ['pipeline', 'release', 'watched'].includes(name))
  if (needsCluster && !findProgram('kubectl')) await installPackages(['kubernetes-client'], say)
  const local = await startLocal({
    parts: ['engine', 'registry', ...(needsCluster ? (['kubernetes'] as const) : [])],
    folder: join(folder, 'local'),
    say,
  })
  const rows: Row[] = []
  const figures: Record<string, Record<string, number>> = {}
  try {
    await ensureBaseImages({ dockerHost: local.env.DOCKER_HOST ?? '', say })
    for (const name of wanted) {
      say(name)
      // Each on a Redis of its own: what one leaves behind would slow the next.
      const redis = await startRedis({ folder: join(folder, name), say }, { fresh: true })
      // With the times that people have: those of tests are shorter.
      const environment = {
        ...local.env,
        REDIS_URL: redis.address,
        TAXIWAY_SWEEP_MS: '30000',
        TAXIWAY_STOP_MS: '10000',
      }
      const result = await benches[name]?.({ folder, environment, say, rounds: Number(values.rounds) }).finally(() =>
        redis.stop(),
      )
      rows.push(...(result?.rows ?? []))
      figures[name] = result?.figures ?? {}
    }
  } finally {
    await local.stop()
  }
  print(rows)
  if (values.json) writeFileSync(values.json, `${JSON.stringify(figures, undefined, 2)}\n`)
}

function print(rows: Row[]): void {
  const table = [
    { figure: 'figure', goal: 'goal', measured: 'measured', holds: '' },
    ...rows.map((row) => ({ ...row, holds: row.holds ? 'yes' : 'NO' })),
  ]
  const width = (key: 'figure' | 'goal' | 'measured') => Math.max(...table.map((row) => row[key].length))
  for (const row of table)
    process.stdout.write(
      `${row.figure.padEnd(width('figure'))}  ${row.goal.padEnd(width('goal'))}  ${row.measured.padEnd(width('measured'))}  ${row.holds}\n`,
    )
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(1)
  },
)
