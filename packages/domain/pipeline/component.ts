import Type from 'typebox'
import { hostName, inContainer, SecretNames, shell, strict, text, timeout, variables } from './parts.ts'

const cpu = Type.String({ pattern: '^([0-9]+m|[0-9]+(\\.[0-9]{1,3})?)$', description: 'Processors like 500m or 2.' })
const memory = Type.String({ pattern: '^[1-9][0-9]{0,6}(Mi|Gi)$', description: 'Memory like 256Mi or 1Gi.' })

const partImage = Type.String({
  pattern: '^([a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?|[A-Za-z0-9][A-Za-z0-9._:/-]{0,180}@sha256:[0-9a-f]{64})$',
  description: 'An image of this pipeline, or a reference by digest like redis@sha256:1f2e…. Default: its only one.',
})

/** A part of the application in the pipeline file. */
export const Component = Type.Object(
  {
    image: Type.Optional(partImage),
    command: Type.Optional(
      Type.Array(Type.String({ maxLength: 4096 }), {
        minItems: 1,
        maxItems: 100,
        description: "What the container runs, after its image's entrypoint. Default: the image's own command.",
      }),
    ),
    port: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 65535, description: 'Where it answers; makes a Service. Default: none.' }),
    ),
    replicas: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 1000, description: 'How many of it run. Default: 2, with volumes 1.' }),
    ),
    env: Type.Optional(variables('Environment of the container.')),
    secrets: Type.Optional(SecretNames),
    resources: Type.Optional(
      Type.Object(
        { cpu: Type.Optional(cpu), memory: Type.Optional(memory) },
        {
          ...strict,
          description: 'What one of it is given. Default: 100m and 128Mi, where the memory is also its limit.',
        },
      ),
    ),
    health: Type.Optional(
      Type.Union(
        [
          Type.Object(
            {
              path: Type.String({
                pattern: '^/',
                maxLength: 500,
                description: 'A path that answers 2xx or 3xx when it is well.',
              }),
            },
            strict,
          ),
          Type.Object({ command: text(4096, 'A shell command that ends with 0 when it is well.') }, strict),
        ],
        { description: 'A path or a command that tells whether it is well. Default: that its port takes connections.' },
      ),
    ),
    host: Type.Optional(
      hostName('A host name like shop.example.com. Makes an Ingress for it; {branch} and {number} are filled in.'),
    ),
    autoscaling: Type.Optional(
      Type.Object(
        {
          min: Type.Integer({ minimum: 1, maximum: 1000, description: 'At least so many.' }),
          max: Type.Integer({ minimum: 1, maximum: 1000, description: 'At most so many.' }),
          cpu: Type.Optional(
            Type.Integer({
              minimum: 1,
              maximum: 100,
              description: 'Percent of its processors that it aims at. Default: 80.',
            }),
          ),
        },
        { ...strict, description: 'Between how many it scales, in the place of replicas.' },
      ),
    ),
    volumes: Type.Optional(
      Type.Array(
        Type.Object(
          {
            path: inContainer('Where it is mounted.'),
            size: Type.String({ pattern: '^[1-9][0-9]{0,6}(Mi|Gi)$', description: 'A size like 1Gi.' }),
          },
          { ...strict, description: 'A folder that is kept.' },
        ),
        {
          minItems: 1,
          maxItems: 5,
          description: 'Folders that outlive its containers; each of its replicas has its own.',
        },
      ),
    ),
    wave: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 100,
        description: 'Its turn: the next begins when all of this one are healthy. Default: 0.',
      }),
    ),
  },
  { ...strict, description: 'One part of the application, from which its Kubernetes objects are made.' },
)
/** A job of an environment in the pipeline file. */
export const Job = Type.Object(
  {
    image: Type.Optional(partImage),
    run: Type.Array(text(65536, 'A shell command.'), {
      minItems: 1,
      maxItems: 100,
      description: 'Shell commands; the first that fails ends the job.',
    }),
    shell: Type.Optional(shell),
    env: Type.Optional(variables('Environment of the commands.')),
    secrets: Type.Optional(SecretNames),
    timeout: Type.Optional(timeout('How long it may take. Default: 5m.')),
  },
  { ...strict, description: 'Commands that run once for a release.' },
)
