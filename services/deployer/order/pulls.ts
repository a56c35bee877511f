import type { RenderedObject } from '@taxiway/domain/environment/release.ts'
import type { Target } from '@taxiway/domain/environment/target.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { parseImageReference } from '@taxiway/registry/reference.ts'
import { containersOf, podTemplatesOf } from './templates.ts'

/** The registry that an image comes from. */
export const hostOf = (image: unknown): string | undefined =>
  typeof image === 'string' ? parseImageReference(image)?.registry : undefined

/**
 * Registries whose credentials pods are given: those of the release's images, where there are any credentials and the target can
 * hand them on. Where it may not, the nodes pull with what they have, and the log says so.
 */
export async function pullHosts(
  {
    objects,
    references,
    hosts,
    target,
    namespace,
  }: {
    objects: readonly RenderedObject[]
    /** Of all images, as they will stand in the objects. */
    references: readonly string[]
    /** With credentials. */
    hosts: readonly string[]
    target: Target
    namespace: string
  },
  work: Work,
): Promise<Outcome<ReadonlySet<string>>> {
  const images = objects.flatMap((object) =>
    podTemplatesOf(object)
      .flatMap(containersOf)
      .map(({ image }) => image),
  )
  const used = new Set([...images, ...references].map(hostOf))
  const wanted = hosts.filter((host) => used.has(host))
  if (wanted.length === 0 || !target.mayGivePull) return done(new Set())
  const may = await target.mayGivePull(namespace, work)
  if (!may.ok) return may
  if (!may.value)
    work.say(
      `pods are not given the credentials of ${wanted.join(', ')}, as this account may not make Secrets ("taxiway cluster rbac --secrets" prints the rights): nodes pull with what they have`,
    )
  return done(new Set(may.value ? wanted : []))
}
