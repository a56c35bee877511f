import { askForGit } from '@taxiway/domain/no-git.ts'
import { oneLine, type Reason, reason } from '@taxiway/domain/reason.ts'
import { parseImageReference } from '@taxiway/registry/reference.ts'
import { engineFault } from '../engine/engine.ts'
import type { MetLimit } from '../engine/limit-watch.ts'
import { registryFailure } from '../image/registry-failure.ts'
import type { BuildStep } from './buildkit.ts'

/** What is known beside the builder's words. */
export interface BuildFacts {
  /** The limit for which we ended a step. */
  met?: MetLimit | undefined
  /** The kernel killed a process of a step for want of memory meanwhile. */
  isOutOfMemory?: boolean
  /** The engine's disk was full when a step said so. */
  isDiskFull?: boolean
}

/** Why a build failed, from the builder's last words, the step that failed, and what is known. What a step prints is no proof of anything. */
export function explainBuildFailure(
  message: string,
  failed: BuildStep | undefined,
  order: { image: string; memoryMb?: number; pids?: number },
  { met, isOutOfMemory = false, isDiskFull = false }: BuildFacts = {},
): Reason {
  // The command itself stands before its exit code, and may hold any words: what it says is not searched for causes.
  const exit = [...message.matchAll(/exit code: (\d+)/g)].at(-1)?.[1]
  if (isDiskFull) return reason('disk_full', { where: 'the Docker engine' })
  const step = failed ? stepName(failed.name) : 'Dockerfile'
  if (exit === undefined) {
    const base = baseImage(message, failed)
    const registry = base && parseImageReference(base)?.registry
    const ofRegistry = registry ? registryFailure(plain(message), base, registry) : undefined
    if (ofRegistry) return ofRegistry
    const infrastructure = engineFault(new Error(withoutNames(message)), { midWork: true })
    return infrastructure ?? reason('build_failed', { image: order.image, step, detail: withWayOut(plain(message)) })
  }
  // Whose step was ended is not known: ours was killed, or it is another build's that ran beside it.
  if (met && exit === '137') return reason('resource_limit', { step, ...met })
  const isForkFailure = /can't fork|cannot fork|fork: (retry: )?Resource temporarily unavailable/i
  if (order.pids && isForkFailure.test(failed?.lastLine ?? ''))
    return reason('resource_limit', { step, what: 'processes', limit: String(order.pids) })
  // 128 + SIGKILL; anybody may have sent it, or a command may end with that number.
  if (exit === '137' && isOutOfMemory && order.memoryMb)
    return reason('out_of_memory', { step, limitMb: order.memoryMb })
  const killed = isOutOfMemory ? ' (a process was killed for want of memory)' : exit === '137' ? ' (killed)' : ''
  const said = failed?.lastLine ? `: ${oneLine(failed.lastLine, 300).replace(/[.:]+$/, '')}` : ''
  return reason('build_failed', { image: order.image, step, detail: withWayOut(`exit code ${exit}${killed}${said}`) })
}

/** The builder's words without names of files and commands, which may be any words. */
const withoutNames = (message: string): string => message.replaceAll(/"[^"\n]*"/g, '""')

/** `[test 2/3] RUN npm test` without its place: `RUN npm test`. Internal steps are the Dockerfile's affair. */
function stepName(name: string): string {
  if (name.startsWith('[internal]')) return 'Dockerfile'
  return oneLine(name.replace(/^\[[^\]]*\] */, ''), 120) || 'Dockerfile'
}

/** The image of a FROM line, or of a COPY --from, that could not be had: its steps are named after it. */
function baseImage(message: string, failed: BuildStep | undefined): string | undefined {
  const byStep = failed?.name.match(/^\[internal\] load metadata for (\S+)$/)?.[1]
  const name = byStep ?? failed?.name.match(/^(?:\[[^\]]*\] )?FROM (\S+)/)?.[1]
  if (name === undefined && !/pull access denied|manifest unknown/.test(message)) return undefined
  const denied = message.match(/pull access denied for ([^\s,]+)/)?.[1]
  return (name ?? denied)?.replace(/^docker\.io\/(library\/)?/, '')
}

/** The builder's words without the ranks that reported them: `failed to solve with frontend dockerfile.v0: …`. */
const plain = (message: string): string =>
  oneLine(
    message
      .replace(
        /^(failed to solve( with frontend dockerfile\.v0)?: |failed to create LLB definition: |rpc error: code = \w+ desc = )+/,
        '',
      )
      .replace(/\.$/, ''),
    400,
  )

/** What Taxiway does otherwise than a build at home, where the builder's words are about that. */
function withWayOut(detail: string): string {
  const git = askForGit(detail)
  if (git) return `${detail} (${git})`
  if (/unknown (instruction|flag)/i.test(detail))
    return `${detail} (the engine's own Dockerfile frontend is used, whatever a "# syntax=" line asks for)`
  return detail
}
