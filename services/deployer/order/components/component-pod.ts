import type { Ground } from '@taxiway/domain/environment/target.ts'
import type { PlannedComponent } from '@taxiway/domain/plan/component.ts'
import { literal } from '@taxiway/kubernetes/object.ts'

/** What the objects of components depend on besides the components. */
export interface ComponentContext {
  environment: string
  timeoutMs: number
  ground: Ground
  /** Who the images of the run run as, by name; as images say it. */
  users: Readonly<Record<string, string | undefined>>
  /** The name of the Secret that holds what a component is given. */
  secretName: (component: PlannedComponent) => string
}

/** After a pod is told to end it answers on for so long: until nobody's list of addresses has it any more. */
const goodbyeSeconds = 5
const graceSeconds = 30
/** From this version on, a pod can be made to wait without a program in its image. */
const nativeSleepMinor = 30
const privilegedPorts = 1024

/** The labels by which the pods of a component are found; the environment keeps two in one namespace apart. */
export const labelsOf = (
  { name }: Pick<PlannedComponent, 'name'>,
  { environment }: Pick<ComponentContext, 'environment'>,
): Record<string, string> => ({ 'app.kubernetes.io/name': name, 'taxiway.dev/environment': environment })

/** The template of a component's pods. */
export function componentPod(component: PlannedComponent, context: ComponentContext) {
  const labels = labelsOf(component, context)
  const spec =
    context.ground.kind === 'docker'
      ? { containers: [container(component, context)] }
      : {
          enableServiceLinks: false,
          terminationGracePeriodSeconds: goodbyeSeconds + graceSeconds,
          securityContext: podSecurity(component, context),
          topologySpreadConstraints: ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'].map((topologyKey) => ({
            maxSkew: 1,
            topologyKey,
            whenUnsatisfiable: 'ScheduleAnyway',
            labelSelector: { matchLabels: labels },
          })),
          containers: [container(component, context)],
        }
  return { metadata: { labels }, spec }
}

/** Variables with these texts, and with what a Secret holds under the same names. */
export const variablesOf = (env: Record<string, string>, secrets: readonly string[], secretName: string) => [
  ...Object.entries(env).map(([name, value]) => ({ name, value: literal(value) })),
  ...secrets.map((name) => ({ name, valueFrom: { secretKeyRef: { name: secretName, key: name } } })),
]

function container(component: PlannedComponent, context: ComponentContext) {
  const { name, image, command, port, env, secrets, cpu, memory, volumes } = component
  const variables = variablesOf(env, secrets, context.secretName(component))
  return {
    name,
    image,
    ...(command ? { args: command.map(literal) } : {}),
    ...(port === undefined ? {} : { ports: [{ name: 'main', containerPort: port, protocol: 'TCP' }] }),
    ...(variables.length > 0 ? { env: variables } : {}),
    // Processors are shared by weight, so what is free is not withheld; memory that is not there can't be shared.
    resources: { requests: { cpu, memory }, limits: { memory } },
    ...probesOf(component, context),
    ...(port === undefined || context.ground.kind === 'docker'
      ? {}
      : { lifecycle: { preStop: pause(context.ground) } }),
    ...(volumes.length > 0
      ? { volumeMounts: volumes.map(({ path }, index) => ({ name: `data-${index}`, mountPath: path })) }
      : {}),
    securityContext: containerSecurity(port),
  }
}

const pause = ({ minor }: { minor: number }) =>
  minor >= nativeSleepMinor
    ? { sleep: { seconds: goodbyeSeconds } }
    : { exec: { command: ['sleep', String(goodbyeSeconds)] } }

/** What any container of ours is held to. */
export const containerSecurity = (port?: number) => ({
  allowPrivilegeEscalation: false,
  capabilities: {
    drop: ['ALL'],
    ...(port !== undefined && port < privilegedPorts ? { add: ['NET_BIND_SERVICE'] } : {}),
  },
})

/**
 * Not root, where the image says so by a number; a name can't be checked by a node, and an image that is made for root would not
 * start. A volume belongs to the group of who writes it.
 */
export function podSecurity(
  { image, volumes }: Pick<PlannedComponent, 'image' | 'volumes'>,
  { users }: Pick<ComponentContext, 'users'>,
) {
  const [, user, group] = /^([0-9]{1,9})(?::([0-9]{1,9}))?$/.exec(users[image] ?? '') ?? []
  const seccompProfile = { type: 'RuntimeDefault' }
  if (user === undefined || Number(user) === 0) return { seccompProfile }
  const fsGroup = Number(group ?? user)
  return {
    runAsNonRoot: true,
    seccompProfile,
    ...(volumes.length > 0 ? { fsGroup, fsGroupChangePolicy: 'OnRootMismatch' } : {}),
  }
}

/**
 * One question, asked three ways: until it first passes (for as long as the release may take), then often, to take it out of
 * service, and seldom, to start it anew only when it has been lost for a minute.
 */
function probesOf({ port, health }: PlannedComponent, { ground, timeoutMs }: ComponentContext) {
  const question =
    health && 'command' in health
      ? { exec: { command: ['sh', '-c', health.command] } }
      : health
        ? { httpGet: { path: health.path, port: 'main' } }
        : port === undefined
          ? undefined
          : { tcpSocket: { port: 'main' } }
  if (!question) return {}
  const readinessProbe = { ...question, periodSeconds: 2, timeoutSeconds: 3, failureThreshold: 3 }
  if (ground.kind === 'docker') return { readinessProbe }
  return {
    startupProbe: {
      ...question,
      periodSeconds: 1,
      timeoutSeconds: 3,
      failureThreshold: Math.max(60, Math.ceil(timeoutMs / 1000)),
    },
    readinessProbe,
    livenessProbe: { ...question, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
  }
}
