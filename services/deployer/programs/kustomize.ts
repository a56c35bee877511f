import { join, relative } from 'node:path'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { Copy } from './copy.ts'
import { checkKustomization } from './kustomization.ts'
import { kustomizeProblem } from './kustomize-problem.ts'
import { findProgram, type ProgramCall, type Rendering, runProgram, whyEnded } from './program.ts'

/** Builds a folder with a kustomization, by `kustomize` or else `kubectl kustomize`, to YAML. Nothing of it may come from elsewhere. */
export async function buildKustomization(
  { folder, tree }: Copy,
  path: string,
  { say, signal, patienceMs }: Rendering,
): Promise<Outcome<Buffer>> {
  const checked = await checkKustomization(tree, join(tree, path))
  if (!checked.ok) return checked
  const own = await findProgram('kustomize')
  const program = own ?? (await findProgram('kubectl'))
  if (!program) return refuse('program_missing', { folder: path, program: 'kustomize or kubectl' })
  const call: ProgramCall = { folder, cwd: tree, signal, ...(patienceMs ? { patienceMs } : {}) }
  say(`building ${path} with ${await versionOf(program, own !== undefined, call)}`)
  const built = await runProgram(program, [...(own ? ['build'] : ['kustomize']), join(tree, path)], call)
  if (built.exitCode === 0) return done(built.stdout)
  if (built.ended) return whyEnded(built.ended, { object: path, what: `build ${path} with kustomize`, patienceMs })
  const words = built.stderr.replaceAll(`${tree}/`, '').replaceAll(folder, '')
  return refuse('manifest_invalid', { object: relative('.', path), detail: kustomizeProblem(words) })
}

/** What a log calls it: `kustomize v5.5.0`, `kubectl v1.32.4`. */
async function versionOf(program: string, isOwn: boolean, call: ProgramCall): Promise<string> {
  const args = isOwn ? ['version'] : ['version', '--client', '--output=json']
  const { stdout } = await runProgram(program, args, call)
  const version = /v\d+\.\d+\.\d+[-+.\w]*/.exec(stdout.toString())?.[0]
  return `${isOwn ? 'kustomize' : 'kubectl'} ${version ?? 'of an unknown version'}`
}
