import type { RenderedObject } from '@taxiway/domain/environment/release.ts'
import { waveAnnotation } from '@taxiway/domain/environment/waves.ts'
import type { PlannedComponent } from '@taxiway/domain/plan/component.ts'
import { type ComponentContext, componentPod, labelsOf } from './component-pod.ts'

const revisions = 3

/**
 * The objects that run these components, by good practice, as manifests would have them: what fits the cluster's version, or
 * one machine. Images are still named as the pipeline names them. Pure.
 */
export const componentObjects = (
  components: readonly PlannedComponent[],
  context: ComponentContext,
): RenderedObject[] => components.flatMap((component) => objectsOf(component, context))

function objectsOf(component: PlannedComponent, context: ComponentContext): RenderedObject[] {
  const { port, host, autoscaling, volumes, wave } = component
  const labels = labelsOf(component, context)
  const make = (apiVersion: string, kind: string, spec: object, name = component.name): RenderedObject => ({
    apiVersion,
    kind,
    metadata: { name, labels, ...(wave > 0 ? { annotations: { [waveAnnotation]: String(wave) } } : {}) },
    spec,
  })
  const isStateful = volumes.length > 0
  const workload = isStateful
    ? make('apps/v1', 'StatefulSet', statefulSet(component, context))
    : make('apps/v1', 'Deployment', deployment(component, context))
  const objects: RenderedObject[] = []
  if (port !== undefined) objects.push(make('v1', 'Service', service(component, context)))
  const { ground } = context
  if (ground.kind === 'docker') return [...objects, workload]
  if (isStateful) objects.push(make('v1', 'Service', headless(component, context), `${component.name}-pods`))
  objects.push(workload)
  if (host !== undefined) objects.push(make('networking.k8s.io/v1', 'Ingress', ingress(component)))
  if (autoscaling)
    objects.push(
      make(
        ground.minor >= 23 ? 'autoscaling/v2' : 'autoscaling/v2beta2',
        'HorizontalPodAutoscaler',
        autoscaler(component, workload),
      ),
    )
  // One that may never be disrupted would hold up every drain of its node.
  if ((autoscaling?.min ?? component.replicas) > 1)
    objects.push(
      make(ground.minor >= 21 ? 'policy/v1' : 'policy/v1beta1', 'PodDisruptionBudget', {
        maxUnavailable: 1,
        selector: { matchLabels: labels },
      }),
    )
  return objects
}

/** What components ask for that one machine leaves out, a line each. */
export const leftOutOnMachine = (components: readonly PlannedComponent[]): string[] =>
  components.flatMap(({ name, host, autoscaling }) => [
    ...(host === undefined ? [] : [`${name}: host ${host} is left out, one machine has no Ingress`]),
    ...(autoscaling ? [`${name}: ${autoscaling.min} containers run, one machine has no autoscaling`] : []),
  ])

/** Who scales owns the number: with an autoscaler none is named. */
const replicasOf = ({ replicas, autoscaling }: PlannedComponent, { ground }: ComponentContext) => {
  if (!autoscaling) return { replicas }
  return ground.kind === 'docker' ? { replicas: autoscaling.min } : {}
}

const deployment = (component: PlannedComponent, context: ComponentContext) => ({
  ...replicasOf(component, context),
  revisionHistoryLimit: revisions,
  progressDeadlineSeconds: Math.max(60, Math.ceil(context.timeoutMs / 1000)),
  strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: '25%' } },
  selector: { matchLabels: labelsOf(component, context) },
  template: componentPod(component, context),
})

const statefulSet = (component: PlannedComponent, context: ComponentContext) => ({
  ...replicasOf(component, context),
  revisionHistoryLimit: revisions,
  serviceName: `${component.name}-pods`,
  selector: { matchLabels: labelsOf(component, context) },
  template: componentPod(component, context),
  volumeClaimTemplates: component.volumes.map(({ size }, index) => ({
    // Spelled out, as older servers want it for server-side apply.
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: `data-${index}` },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: size } } },
  })),
})

const portOf = ({ port }: PlannedComponent) => [{ name: 'main', port, targetPort: 'main', protocol: 'TCP' }]

const service = (component: PlannedComponent, context: ComponentContext) => ({
  selector: labelsOf(component, context),
  ports: portOf(component),
})

/** Gives each pod of a StatefulSet its own name in the network. */
const headless = (component: PlannedComponent, context: ComponentContext) => ({
  clusterIP: 'None',
  publishNotReadyAddresses: true,
  selector: labelsOf(component, context),
  ...(component.port === undefined ? {} : { ports: portOf(component) }),
})

const ingress = ({ name, host }: PlannedComponent) => ({
  rules: [
    {
      host,
      http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name, port: { name: 'main' } } } }] },
    },
  ],
})

const autoscaler = ({ autoscaling }: PlannedComponent, { apiVersion, kind, metadata }: RenderedObject) => ({
  scaleTargetRef: { apiVersion, kind, name: metadata.name },
  minReplicas: autoscaling?.min,
  maxReplicas: autoscaling?.max,
  metrics: [
    {
      type: 'Resource',
      resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: autoscaling?.cpu } },
    },
  ],
})
