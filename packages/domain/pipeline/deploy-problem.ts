import { partImage } from '../plan/component.ts'
import { didYouMean, nearest } from './nearest.ts'
import type { ComponentOf, DeployOf, Pipeline } from './pipeline.ts'

interface Problem {
  path: string[]
  detail: string
}

/** What does not go together in an environment of the file, where its schema has nothing against it. */
export function deployProblem(pipeline: Pipeline, environment: DeployOf): Problem | undefined {
  if (environment.preview && environment.on)
    return { path: ['preview'], detail: 'is for pull requests, and on for pushes; leave out one of them' }
  for (const when of ['before', 'after_live'] as const)
    for (const [name, job] of Object.entries(environment[when] ?? {})) {
      const problem = imageProblem(pipeline, job) ?? doubleProblem(job)
      if (problem) return { path: [when, name, ...problem.path], detail: problem.detail }
    }
  for (const image of Object.keys(environment.images ?? {}))
    if (!Object.hasOwn(pipeline.images ?? {}, image)) {
      const near = didYouMean(image, Object.keys(pipeline.images ?? {}))
      return { path: ['images', image], detail: `this pipeline has no image ${image}${near}` }
    }
  if (environment.components === undefined) return undefined
  for (const key of ['values', 'set', 'images'] as const)
    if (environment[key] !== undefined) return { path: [key], detail: 'is for Helm charts, not for components' }
  if (environment.config_hash !== undefined)
    return {
      path: ['config_hash'],
      detail: 'is for manifests; what components are given is always named by its content',
    }
  if (environment.manifests !== undefined)
    return { path: ['components'], detail: 'stands in the place of manifests; leave out one of them' }
  for (const [name, component] of Object.entries(environment.components)) {
    const problem = imageProblem(pipeline, component) ?? componentProblem(name, component)
    if (problem) return { path: ['components', name, ...problem.path], detail: problem.detail }
  }
  return undefined
}

function imageProblem(pipeline: Pipeline, part: { image?: string }): Problem | undefined {
  const image = partImage(pipeline, part)
  if (image === undefined) return { path: [], detail: 'name its image: this pipeline has not exactly one' }
  const names = Object.keys(pipeline.images ?? {})
  if (image.includes('@') || names.includes(image)) return undefined
  const near = nearest(image, names)
  const hint = near ? `; did you mean ${near}?` : '; another one is pinned by its digest, like redis@sha256:…'
  return { path: ['image'], detail: `${image} is not one of this pipeline's images${hint}` }
}

function componentProblem(name: string, component: ComponentOf): Problem | undefined {
  const { port, health, host, autoscaling, replicas } = component
  const needsPort = (path: string) => ({ path: [path], detail: 'needs a port; name the port where it answers' })
  if (/^[0-9]/.test(name))
    return { path: [], detail: 'its name begins with a letter, as it becomes a name in the network' }
  if (port === undefined && host !== undefined) return needsPort('host')
  if (port === undefined && health && 'path' in health) return needsPort('health')
  if (autoscaling && replicas !== undefined)
    return { path: ['autoscaling'], detail: 'stands in the place of replicas; leave out one of them' }
  if (autoscaling && autoscaling.min > autoscaling.max)
    return { path: ['autoscaling', 'min'], detail: `is more than max (${autoscaling.max})` }
  return doubleProblem(component)
}

function doubleProblem({ env = {}, secrets = [] }: Pick<ComponentOf, 'env' | 'secrets'>): Problem | undefined {
  const twice = secrets.find((secret) => Object.hasOwn(env, secret))
  return twice === undefined ? undefined : { path: ['secrets'], detail: `${twice} stands in env as well` }
}
