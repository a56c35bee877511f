import type { ComponentOf, DeployOf, Pipeline } from '../pipeline/pipeline.ts'
import type { PlanContext } from './context.ts'
import { slug } from './parts.ts'

/** A part of the application, with every default filled in. */
export interface PlannedComponent {
  name: string
  /** An image of the plan, or a reference by digest. */
  image: string
  command?: string[]
  port?: number
  replicas: number
  env: Record<string, string>
  /** Names of secrets, given as variables of the same names. */
  secrets: string[]
  /** As Kubernetes writes quantities. */
  cpu: string
  memory: string
  health?: { path: string } | { command: string }
  host?: string
  autoscaling?: { min: number; max: number; cpu: number }
  volumes: { path: string; size: string }[]
  wave: number
}

/** The image of a component or job: the one it names, else the only one of the pipeline. */
export const partImage = ({ images }: Pick<Pipeline, 'images'>, part: { image?: string }): string | undefined => {
  const names = Object.keys(images ?? {})
  return part.image ?? (names.length === 1 ? names[0] : undefined)
}

/** The components of an environment, in the file's order; undefined when it has manifests. */
export const planComponents = (
  pipeline: Pick<Pipeline, 'images'>,
  { components }: DeployOf,
  context: PlanContext,
): PlannedComponent[] | undefined =>
  components && Object.entries(components).map(([name, component]) => planComponent(pipeline, name, component, context))

function planComponent(
  pipeline: Pick<Pipeline, 'images'>,
  name: string,
  component: ComponentOf,
  { branch, number }: PlanContext,
): PlannedComponent {
  const { command, port, env = {}, secrets = [], resources, health, host, autoscaling, volumes = [] } = component
  const words: Record<string, string> = { branch: slug(branch), number: String(number ?? '') }
  return {
    name,
    image: partImage(pipeline, component) as string,
    ...(command && { command }),
    ...(port !== undefined && { port }),
    replicas: component.replicas ?? (volumes.length > 0 ? 1 : 2),
    env,
    secrets,
    cpu: resources?.cpu ?? '100m',
    memory: resources?.memory ?? '128Mi',
    ...(health && { health }),
    ...(host !== undefined && { host: host.replaceAll(/\{(\w+)\}/g, (all, word: string) => words[word] ?? all) }),
    ...(autoscaling && { autoscaling: { cpu: 80, ...autoscaling } }),
    volumes,
    wave: component.wave ?? 0,
  }
}
