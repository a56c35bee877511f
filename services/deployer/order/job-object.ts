import type { RenderedObject } from '@taxiway/domain/environment/release.ts'
import type { PlannedJob } from '@taxiway/domain/plan/job.ts'
import { keys } from '@taxiway/kubernetes/object.ts'
import { containerSecurity, literal, podSecurity, variablesOf } from './component-pod.ts'

export interface JobContext {
  /** Name of the object, and of the Secret that it is given; no other run has it. */
  objectName: string
  users: Readonly<Record<string, string | undefined>>
}
/** Most shells, as the first process of a container, do not hear that they shall end. */
const graceSeconds = 10
const resources = { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '1Gi' } }

/** A job as a manifest would have it. It is tried once: whoever wrote its commands did not promise that they can be repeated. */
export function jobObject(job: PlannedJob, { objectName, users }: JobContext): RenderedObject {
  const labels = { [keys.job]: job.name }
  const container = {
    name: 'job',
    image: job.image,
    command: ['sh', '-c', literal(programOf(job.run))],
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

/** One shell for all commands: each is shown, and the first that fails ends it with its status. `-e` alone overlooks what fails before an `&&`. */
const programOf = (commands: readonly string[]): string =>
  ['set -e', ...commands.map((command) => `printf '%s\\n' ${quoted(`$ ${command}`)}\n${command}\n${check}`)].join('\n')

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
const check = 'case $? in 0) ;; *) exit $? ;; esac'
