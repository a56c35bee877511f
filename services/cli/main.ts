#!/usr/bin/env node
import { inert } from '@taxiway/domain/inert.ts'
import { exitCodes } from './exit-codes.ts'

const commands = {
  cluster: async () => (await import('./commands/cluster.ts')).cluster,
  lint: async () => (await import('./commands/lint.ts')).lint,
  run: async () => (await import('./commands/run.ts')).run,
  approve: async () => (await import('./commands/approve.ts')).approve,
  reject: async () => (await import('./commands/approve.ts')).reject,
  promote: async () => (await import('./commands/roll-out.ts')).promote,
  deploy: async () => (await import('./commands/roll-out.ts')).deploy,
  rollback: async () => (await import('./commands/roll-out.ts')).rollback,
  adopt: async () => (await import('./commands/adopt.ts')).adopt,
  delete: async () => (await import('./commands/delete.ts')).deleteCommand,
  diff: async () => (await import('./commands/diff.ts')).diff,
  releases: async () => (await import('./commands/releases.ts')).releases,
  unhold: async () => (await import('./commands/releases.ts')).unhold,
} satisfies Record<string, () => Promise<(args: string[]) => Promise<number>>>

const usage = `Usage: taxiway <command> [options]

  lint      check .taxiway.yaml, and show what would run
  run       build and test this working tree on the local Docker engine
  cluster   print the rights that deployers need in a cluster (cluster rbac)

These ask a server, with TAXIWAY_URL and TAXIWAY_TOKEN:
  approve   let a release begin that waits for an approval
  reject    end it instead
  promote   give what is live in one environment to another
  deploy    deploy what an earlier run published
  rollback  give an environment an earlier release again
  adopt     take over what others made in a cluster
  delete    delete an environment, or a repository
  diff      what the releases of a run change against what was live
  releases  what happened in an environment
  unhold    lift the hold that failed releases put on an environment

taxiway <command> --help tells more.
`

async function main([name = '--help', ...args]: string[]): Promise<number> {
  if (name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(usage)
    return exitCodes.good
  }
  if (!Object.hasOwn(commands, name)) {
    process.stderr.write(`taxiway: there is no command ${name}.\n\n${usage}`)
    return exitCodes.usage
  }
  try {
    const command = await commands[name as keyof typeof commands]()
    return await command(args)
  } catch (error) {
    if (!(error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))) throw error
    process.stderr.write(`taxiway ${name}: ${error.message}\n`)
    return exitCodes.usage
  }
}

/** What is printed shows what it holds, whoever gave the names in it. */
for (const stream of [process.stdout, process.stderr]) {
  const write = stream.write.bind(stream) as (chunk: string | Uint8Array, ...rest: unknown[]) => boolean
  stream.write = ((chunk: string | Uint8Array, ...rest: unknown[]) =>
    write(typeof chunk === 'string' ? inert(chunk) : chunk, ...rest)) as typeof stream.write
}

process.exitCode = await main(process.argv.slice(2))
