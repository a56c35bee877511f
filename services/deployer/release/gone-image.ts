import type { ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { ResolveDeps } from '../order/images.ts'
import { containersOf, podTemplatesOf } from '../order/templates.ts'

/**
 * Refuses a release of which an image is not at its registry any more (`image_gone`): pods of it could not start. A registry that
 * can't be asked is no reason not to go back, as nodes may have what they need; that is said.
 */
export async function checkImages(
  { objects, generation }: Pick<ReleaseOrder, 'objects' | 'generation'>,
  { digestOf, say }: Pick<ResolveDeps, 'digestOf' | 'say'>,
): Promise<Outcome<void>> {
  const named = objects.flatMap((object) => podTemplatesOf(object).flatMap(containersOf)).map(({ image }) => image)
  for (const image of new Set(named)) {
    if (typeof image !== 'string' || !image.includes('@')) continue
    const found = await digestOf(image)
    if (found.ok) continue
    if (found.reason.code === 'image_not_found') return refuse('image_gone', { image, generation })
    say(`going on without a word of its registry on ${image}: ${found.reason.message}`)
  }
  return done(undefined)
}
