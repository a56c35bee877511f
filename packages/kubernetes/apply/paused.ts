import type { KubeObject } from '../object.ts'

type Spec = { paused?: boolean } | undefined

/** Did a person pause the Deployment, of which the manifest says nothing? Then nothing of a release would come of it. */
export const isPausedByHand = (object: KubeObject, live: KubeObject): boolean =>
  object.kind === 'Deployment' && (live.spec as Spec)?.paused === true && (object.spec as Spec)?.paused === undefined

/** The object as it goes on. */
export const resumed = (object: KubeObject): KubeObject => ({
  ...object,
  spec: { ...(object.spec as object), paused: false },
})
