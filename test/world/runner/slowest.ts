import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import type { Reporter, TestModule } from 'vitest/node'

const rows = 20
const slowSeconds = 120

/** A row of the table: seconds, the share of them in which its processes did nothing, and the file. */
function row(module: TestModule): string {
  const { wallMs = 0, workMs = 0 } = module.meta().times ?? {}
  const waited = wallMs > 0 ? Math.max(0, 1 - workMs / wallMs) : 0
  const why = /^\/\/ Slow: (.+)$/m.exec(readFileSync(module.moduleId, 'utf8'))?.[1]
  const note =
    wallMs > slowSeconds * 1000 ? `  ${why ?? 'WITHOUT A REASON: add a line "// Slow: why", or split it'}` : ''
  const figures = [(wallMs / 1000).toFixed(1).padStart(7), `${Math.round(waited * 100)} %`.padStart(7)]
  return `${figures.join('')}  ${relative(process.cwd(), module.moduleId)}${note}`
}

/** Prints the slowest files of a run on real parts, and how much of their time they waited. */
export default class Slowest implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const measured = modules.filter((module) => module.meta().times)
    if (measured.length === 0) return
    const wall = (module: TestModule) => module.meta().times?.wallMs ?? 0
    const slowest = [...measured].sort((a, b) => wall(b) - wall(a)).slice(0, rows)
    const sum = (key: 'wallMs' | 'workMs') =>
      Math.round(measured.reduce((total, module) => total + (module.meta().times?.[key] ?? 0), 0) / 1000)
    process.stdout.write(
      `\nThe slowest of ${measured.length} files. They wait for the rest of their time; what engine and cluster work for them counts as waiting.\n` +
        `seconds  waited  file\n${slowest.map(row).join('\n')}\n` +
        `In all ${sum('wallMs')} s of files side by side, of which their processes worked ${sum('workMs')} s.\n\n`,
    )
  }
}
