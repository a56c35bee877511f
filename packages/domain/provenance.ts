import type { Digest } from './ids.ts'
import type { PlannedImage } from './plan/images.ts'
import type { RunBase } from './run/parts.ts'

/** What is known of how an image came to be. Times are ISO 8601. */
export interface Origin {
  /** host/prefix/name */
  name: string
  digest: Digest
  image: PlannedImage
  /** Where the commit came from. */
  source: { url: string; ref: string; sha: string }
  /** Digest of the pipeline file, if the commit has one. */
  pipeline?: Digest
  bases: readonly RunBase[]
  /** Which Taxiway, and which of its workers. */
  builder: string
  run: { url: string; id: string; number: number; attempt: number; event: string }
  startedOn: string
  finishedOn: string
}

/** Media type of a statement (in-toto attestation framework). */
export const statementType = 'application/vnd.in-toto+json'
/** The kind of statement (slsa.dev/spec/v1.0/provenance). */
export const predicateType = 'https://slsa.dev/provenance/v1'

interface Resource {
  uri: string
  digest?: Record<string, string>
  annotations?: Record<string, string>
}

/**
 * States where an image comes from, as an in-toto statement v1 with a SLSA provenance v1. Values of arguments and names of
 * secrets are not repeated: the pipeline file of the commit has them.
 */
export function makeStatement(origin: Origin): object {
  const { name, digest, source, run } = origin
  const { context, dockerfile, target, platforms, from } = origin.image
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name, digest: sha256(digest) }],
    predicateType,
    predicate: {
      buildDefinition: {
        buildType: 'urn:taxiway:pipeline:v1',
        externalParameters: {
          source: { uri: `git+${source.url}@${source.ref}`, revision: source.sha },
          image: { name: origin.image.name, context, dockerfile, target, platforms, from },
          event: run.event,
        },
        internalParameters: { run: run.id, number: run.number, attempt: run.attempt },
        resolvedDependencies: dependencies(origin),
      },
      runDetails: {
        builder: { id: origin.builder },
        metadata: { invocationId: run.url, startedOn: origin.startedOn, finishedOn: origin.finishedOn },
      },
    },
  }
}

function dependencies({ source, pipeline, bases }: Origin): Resource[] {
  return [
    { uri: `git+${source.url}@${source.ref}`, digest: { gitCommit: source.sha } },
    ...(pipeline ? [{ uri: '.taxiway.yaml', digest: sha256(pipeline) }] : []),
    ...bases.map(({ name, digest, isImageId }) => ({
      uri: name,
      ...(digest ? { digest: sha256(digest) } : {}),
      ...(isImageId ? { annotations: { digestOf: 'the image configuration, as it was never in a registry' } } : {}),
    })),
  ]
}

const sha256 = (digest: Digest) => ({ sha256: digest.replace('sha256:', '') })
