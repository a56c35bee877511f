import { join } from 'node:path'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { parseYaml } from '@taxiway/yaml/parse.ts'

/** A document of the manifests, and the file that it is in, or that it was made from. */
export interface Manifest {
  value: unknown
  file: string
}

/** Of all manifests of a release, as they are written or as a program makes them: a ConfigMap may have 1 MiB. */
export const maxManifestBytes = 8 * 2 ** 20
const cpuMs = 10_000

/** The documents of a file, as kubectl reads them. `of` stands before what is wrong. */
export async function parseManifest(
  text: Buffer,
  file: string,
  { patienceMs, of = '' }: { patienceMs: number; of?: string },
): Promise<Outcome<Manifest[]>> {
  const parsed = await parseYaml(text, {
    refusal: (detail) => refuse('manifest_invalid', { object: file, detail: `${of}${detail}` }),
    documents: 'many',
    dialect: 'kubectl',
    maxBytes: maxManifestBytes,
    cpuMs,
    patienceMs,
  })
  return parsed.ok ? done(parsed.value.documents.map(({ value }) => ({ value, file }))) : parsed
}

/** The documents that a program made of a folder; `# Source: chart/templates/web.yaml` says from what, where Helm made it. */
export async function parseBuilt(text: Buffer, path: string, patienceMs: number): Promise<Outcome<Manifest[]>> {
  const manifests: Manifest[] = []
  for (const part of text.toString().split(/^(?=---\n# Source: )/m)) {
    // Names begin with that of the chart, but for crds/ with an older Helm.
    const source = /^---\n# Source: (?:(?!crds\/)[^/\n]+\/)?(.+)/.exec(part)?.[1]
    const file = source === undefined ? path : join(path, source)
    const parsed = await parseManifest(Buffer.from(part), file, { of: 'what is made of it: ', patienceMs })
    if (!parsed.ok) return parsed
    manifests.push(...parsed.value)
  }
  return done(manifests)
}

/** `Kind/name` of a document, for a sentence. */
export function titleOf({ value }: Manifest): string {
  const { kind, metadata } = Object(value)
  return `${String(kind)}/${String(Object(metadata).name)}`
}
