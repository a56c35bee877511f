import { buildImage } from '@taxiway/docker/build/build.ts'
import { packContext } from '@taxiway/docker/build/context.ts'
import type { PlannedImage } from '@taxiway/domain/plan/images.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { secretArgumentWarning, secretLikeArguments } from '@taxiway/domain/secrets/arguments.ts'
import { type Session, secretsOf } from './session.ts'

const limits = { maxMb: 2048, maxFiles: 200_000 }
const deadlineMs = 60 * 60_000
/** A commit has none of it, and no image should. */
const without = ['.git', '**/.git']

/** What one build is made of. */
export interface BuildOf {
  image: PlannedImage
  /** Image of the plan -> its name in the engine. */
  built: ReadonlyMap<string, string>
  noCache: boolean
  /** Another stage of the Dockerfile than the image's own. */
  target?: string
}

/** Builds one image of the plan from the working tree as it is, and returns its name in the engine. */
export async function buildHere(
  session: Session,
  { image, built, noCache, target }: BuildOf,
): Promise<Outcome<string>> {
  const context = await packContext({
    folder: session.tree.root,
    subfolder: image.context,
    dockerfile: image.dockerfile,
    without,
    ...limits,
  })
  if (!context.ok) return context
  const stage = target ?? image.target
  const name = session.imageName(target ? `${image.name}-${target}` : image.name)
  for (const argument of secretLikeArguments(image.args, image.secrets ?? []))
    session.screen.note(secretArgumentWarning(image.name, argument))
  const bases = Object.entries(image.from ?? {}).map(([argument, base]) => [argument, built.get(base) ?? base])
  const result = await buildImage(session.engine, {
    image: image.name,
    context: context.value,
    sharedKey: `${session.tree.root} ${image.name}`,
    cacheMounts: session.tree.root,
    tags: [name],
    args: { ...image.args, ...Object.fromEntries(bases) },
    ...(image.secrets?.length ? { secrets: secretsOf(session, image.secrets), cacheScope: 'local' } : {}),
    noCache,
    signal: session.signal,
    deadlineMs,
    onLine: (line) => session.screen.output(Buffer.from(`${line.text}\n`)),
    ...(stage ? { target: stage } : {}),
    ...(image.labels ? { labels: image.labels } : {}),
  })
  return result.ok ? done(name) : result
}
