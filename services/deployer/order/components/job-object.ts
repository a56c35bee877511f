import type { RenderedObject } from '@taxiway/domain/environment/release.ts'
import type { PlannedJob } from '@taxiway/domain/plan/job.ts'
import { quoted, shellCommand } from '@taxiway/domain/shell.ts'
import { keys, literal } from '@taxiway/kubernetes/object.ts'
import { containerSecurity, podSecurity, variablesOf } from './component-pod.ts'

export interface JobContext {
  /** Name of the object, and of the Secret that it is given; no other run has it. */
  objectName: string
  users: Readonly<Record<string, string | undefined>>
}
/** Most shells, as the first process of a container, do not hear that they shall end. */
const graceSeconds = 10
const resources = { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '1Gi' } }

/** Prints a command before it runs. */
const shown = (command: string): string => `printf '%s\\n' ${quoted(`$ ${command}`)}`

/** A job as a manifest would have it. It is tried once: whoever wrote its commands did not promise that they can be repeated. */
export function jobObject(job: PlannedJob, { objectName, users }: JobContext): RenderedObject {
  const labels = { [keys.job]: job.name }
  const container = {
    name: 'job',
    image: job.image,
    command: shellCommand(job.run, job.shell ?? 'sh', shown).map(literal),
    env: variablesOf(job.env, job.secrets, objectName),
    resources,
    securityContext: containerSecurity(),
  }
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: objectName, labels },
    spec: {
      backoffLimit: 0,
      activeDeadlineSeconds: Math.ceil(job.timeoutMs / 1000),
      template: {
        metadata: { labels },
        spec: {
          restartPolicy: 'Never',
          enableServiceLinks: false,
          terminationGracePeriodSeconds: graceSeconds,
          securityContext: podSecurity({ image: job.image, volumes: [] }, { users }),
          containers: [container],
        },
      },
    },
  }
}
