import { oneLine, type Reason, reason } from '@taxiway/domain/reason.ts'
import { engineFault, isDiskFull } from '../engine/engine.ts'
import type { MetLimit } from '../engine/limit-watch.ts'
import { parseImageReference } from '../image/image.ts'
import type { BuildStep } from './buildkit.ts'

/** Why a build failed, from the builder's last words, the step that failed, and the limit for which we ended one. */
export function explainBuildFailure(
  message: string,
  failed: BuildStep | undefined,
  order: { image: string; memoryMb?: number; pids?: number },
  met?: MetLimit,
): Reason {
  // The command itself stands before its exit code, and may hold any words: what it says is not searched for causes.
  const exit = [...message.matchAll(/exit code: (\d+)/g)].at(-1)?.[1]
  if (failed && isDiskFull(failed.lastLine)) return reason('disk_full', { where: 'the Docker engine' })
  const step = failed ? stepName(failed.name) : 'Dockerfile'
  if (exit === undefined) {
    const base = baseImage(message, failed)
    const registry = base && parseImageReference(base)?.registry
    if (registry && isRefusal.test(message)) return reason('registry_auth_failed', { registry, image: base })
    if (base) return reason('image_not_found', registry ? { image: base, registry } : { image: base })
    const infrastructure = engineFault(new Error(message), { midWork: true })
    return infrastructure ?? reason('build_failed', { image: order.image, step, detail: plain(message) })
  }
  // Whose step was ended is not known: ours was killed, or it is another build's that ran beside it.
  if (met && exit === '137') return reason('resource_limit', { step, ...met })
  const isForkFailure = /can't fork|cannot fork|fork: (retry: )?Resource temporarily unavailable/i
  if (order.pids && isForkFailure.test(failed?.lastLine ?? ''))
    return reason('resource_limit', { step, what: 'processes', limit: String(order.pids) })
  // 128 + SIGKILL: nothing but the kernel's memory killer does that to a build step on its own.
  if (exit === '137' && order.memoryMb) return reason('out_of_memory', { step, limitMb: order.memoryMb })
  const killed = exit === '137' ? ' (killed, mostly for want of memory)' : ''
  const said = failed?.lastLine ? `: ${oneLine(failed.lastLine, 300).replace(/\.$/, '')}` : ''
  return reason('build_failed', { image: order.image, step, detail: `exit code ${exit}${killed}${said}` })
}

/** Docker Hub says "insufficient_scope" of what does not exist as well, so that is no refusal. */
const isRefusal = /401 unauthorized|403 forbidden|no basic auth credentials|failed to authorize|incorrect username/i

/** `[test 2/3] RUN npm test` without its place: `RUN npm test`. Internal steps are the Dockerfile's affair. */
function stepName(name: string): string {
  if (name.startsWith('[internal]')) return 'Dockerfile'
  return oneLine(name.replace(/^\[[^\]]*\] */, ''), 120) || 'Dockerfile'
}

/** The image of a FROM line that could not be had: its steps are named after it. */
function baseImage(message: string, failed: BuildStep | undefined): string | undefined {
  const byStep = failed?.name.match(/^\[internal\] load metadata for (\S+)$/)?.[1]
  const name = byStep ?? failed?.name.match(/^\[[^\]]*\] FROM (\S+)/)?.[1]
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
