import Type from 'typebox'
import { windowPattern, zonePattern } from '../environment/windows.ts'
import { globs, hostName, inContainer, name, named, SecretNames, strict, text, timeout, variables } from './parts.ts'

const cpu = Type.String({ pattern: '^([0-9]+m|[0-9]+(\\.[0-9]{1,3})?)$', description: 'Processors like 500m or 2.' })
const memory = Type.String({ pattern: '^[1-9][0-9]{0,6}(Mi|Gi)$', description: 'Memory like 256Mi or 1Gi.' })

const partImage = Type.String({
  pattern: '^([a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?|[A-Za-z0-9][A-Za-z0-9._:/-]{0,180}@sha256:[0-9a-f]{64})$',
  description: 'An image of this pipeline, or a reference by digest like redis@sha256:1f2e…. Default: its only one.',
})

const Component = Type.Object(
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
const Job = Type.Object(
  {
    image: Type.Optional(partImage),
    run: Type.Array(text(65536, 'A shell command.'), {
      minItems: 1,
      maxItems: 100,
      description: 'Shell commands; the first that fails ends the job.',
    }),
    env: Type.Optional(variables('Environment of the commands.')),
    secrets: Type.Optional(SecretNames),
    timeout: Type.Optional(timeout('How long it may take. Default: 5m.')),
  },
  { ...strict, description: 'Commands that run once for a release.' },
)
/** An analysis is given no secrets: what it asks stands beside what everybody asks. */
const { secrets: _, ...jobOfAnalysis } = Job.properties
const AnalysisJob = Type.Object(jobOfAnalysis, {
  ...strict,
  description:
    'Commands that end with 0 when the new version is well; TAXIWAY_PODS has the addresses of the new pods, apart by spaces.',
})
const Analysis = Type.Union(
  [
    Type.Object(
      {
        http: Type.String({
          pattern: '^/[!-~]*$',
          maxLength: 500,
          description: 'A path like /healthz?deep=1 that new pods are asked for, five times a second.',
        }),
        port: Type.Optional(
          Type.Integer({
            minimum: 1,
            maximum: 65535,
            description: "A port. Asked are the pods that have it. Default: the container's first port.",
          }),
        ),
        success: Type.Optional(
          Type.Number({
            minimum: 0,
            maximum: 100,
            description: 'Percent of answers that must be 2xx or 3xx. Default: 100.',
          }),
        ),
      },
      strict,
    ),
    Type.Object(
      {
        prometheus: Type.String({
          pattern: '^https?://',
          maxLength: 500,
          description: 'The address of a Prometheus server, which an admin lists in TAXIWAY_ALLOWED_ORIGINS.',
        }),
        query: text(4096, 'A query whose first value is looked at.'),
        min: Type.Optional(Type.Number({ description: 'A number. The value must not be less.' })),
        max: Type.Optional(Type.Number({ description: 'A number. The value must not be more.' })),
      },
      strict,
    ),
    Type.Object({ job: AnalysisJob }, strict),
  ],
  { description: 'One measure: http, prometheus or job.' },
)
const analysis = Type.Optional(
  Type.Array(Analysis, {
    minItems: 1,
    maxItems: 10,
    description: 'What is measured at each step; the first that fails ends the release.',
  }),
)

/** An environment in the pipeline file: where a release goes, and how. */
export const Deploy = Type.Object(
  {
    on: Type.Optional(
      Type.Object(
        {
          branch: Type.Union([text(255, 'A glob of branches.'), globs('Globs of branches.')], {
            description: 'A glob of branches, or a list of them.',
          }),
        },
        {
          ...strict,
          description: 'Which pushes are deployed here. Default: those to the default branch of the repository.',
        },
      ),
    ),
    preview: Type.Optional(
      Type.Object(
        {
          ttl: Type.Optional(
            Type.String({
              pattern: '^[1-9][0-9]{0,4}(s|m|h|d)$',
              description:
                'A duration like 12h or 7d. It is removed when it was not deployed for so long. Default: 7d.',
            }),
          ),
          most: Type.Optional(
            Type.Integer({
              minimum: 1,
              maximum: 100,
              description: 'So many of its previews may stand at a time; one more is refused. Default: 10.',
            }),
          ),
          url: Type.Optional(
            Type.String({
              pattern: '^https?://[!-~]+$',
              maxLength: 500,
              description: 'An address like https://pr-{number}.example.com, shown to people; {number} is filled in.',
            }),
          ),
        },
        {
          ...strict,
          description:
            'Each pull request of this repository has this environment for itself, named <environment>.<number>, in the namespace <namespace>-<number>, until it is closed; pushes do not go there. {number} is filled in in hosts of components and Ingresses.',
        },
      ),
    ),
    cluster: Type.Optional(
      Type.String({ pattern: name, description: "The name of a registered cluster. Default: the repository's own." }),
    ),
    namespace: Type.Optional(
      Type.String({
        pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$',
        description:
          "A namespace with lower-case letters, digits and dashes. Default: the repository's own, else <repository>-<environment>.",
      }),
    ),
    manifests: Type.Optional(text(500, 'Folder or file of Kubernetes manifests in the repository. Default: k8s.')),
    values: Type.Optional(
      Type.Array(text(500, 'A file of the repository.'), {
        minItems: 1,
        maxItems: 20,
        description: 'Files of values for the Helm chart, later ones over earlier.',
      }),
    ),
    components: Type.Optional(named(Component, 'The parts of the application, in the place of manifests.')),
    before: Type.Optional(
      named(Job, 'Jobs that run one after another before anything is switched; one that fails stops the release.'),
    ),
    after_live: Type.Optional(named(Job, 'Jobs that run once the release is healthy; one that fails rolls it back.')),
    after: Type.Optional(
      Type.String({
        pattern: name,
        description: 'The name of an environment above this one. It must be healthy first.',
      }),
    ),
    approval: Type.Optional(
      Type.Literal('required', { description: 'required: the release waits until a person has approved it.' }),
    ),
    approval_timeout: Type.Optional(timeout('How long it waits for that. Default: 24h.')),
    windows: Type.Optional(
      Type.Array(
        Type.String({
          pattern: windowPattern,
          description: 'A window like 09:00-17:00 or Mon-Thu 09:00-17:00.',
        }),
        {
          minItems: 1,
          maxItems: 20,
          description: 'When releases may begin; outside of them they wait. Default: always.',
        },
      ),
    ),
    timezone: Type.Optional(
      Type.String({
        pattern: zonePattern,
        description: 'A time zone like Europe/Berlin for the windows. Default: UTC.',
      }),
    ),
    timeout: Type.Optional(timeout('How long the release may take to become healthy. Default: 5m.')),
    soak: Type.Optional(
      Type.String({
        pattern: '^(0|[1-9][0-9]{0,4})(s|m|h)$',
        description: 'A duration like 30s. How long it must stay healthy to be called live. Default: 5s.',
      }),
    ),
    rollback: Type.Optional(
      Type.Boolean({
        description: 'false: a release that fails is left as it is. Default: true, the one before is given again.',
      }),
    ),
    prune: Type.Optional(
      Type.Union([Type.Literal('careful'), Type.Literal('all'), Type.Literal('none')], {
        description:
          'What becomes of objects that earlier releases had and this one has not. careful: they are removed, but never more than half of them at once. all: they are removed. none: they stay. Default: careful.',
      }),
    ),
    drift: Type.Optional(
      Type.Union([Type.Literal('report'), Type.Literal('correct'), Type.Literal('ignore')], {
        description:
          'What becomes of changes by hand. report: they are shown. correct: they are undone. ignore: nothing. Default: report.',
      }),
    ),
    canary: Type.Optional(
      Type.Object(
        {
          steps: Type.Array(
            Type.Object(
              {
                weight: Type.Integer({
                  minimum: 1,
                  maximum: 99,
                  description: 'A whole number. At least so many percent of the pods are new.',
                }),
                pause: Type.Optional(timeout('How long that is left so, and measured. Default: 30s.')),
              },
              { ...strict, description: 'A step, larger than the one before.' },
            ),
            { minItems: 1, maxItems: 20, description: 'By which steps the new pods take over.' },
          ),
          analysis,
        },
        { ...strict, description: 'The new version takes over by steps.' },
      ),
    ),
    blue_green: Type.Optional(
      Type.Object(
        {
          pause: Type.Optional(timeout('How long the new version is measured before it takes over. Default: 30s.')),
          analysis,
        },
        { ...strict, description: 'The new version is started whole beside the old, then takes over at once.' },
      ),
    ),
  },
  { ...strict, description: 'An environment: where the release goes.' },
)
