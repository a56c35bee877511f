import Type from 'typebox'

const strict = { additionalProperties: false } as const
const name = '^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$'
const variable = '^[A-Za-z_][A-Za-z0-9_]{0,99}$'
const named = <T extends Type.TSchema>(value: T, description: string) =>
  Type.Record(Type.String({ pattern: name }), value, { additionalProperties: false, maxProperties: 50, description })
const variables = (description: string) =>
  Type.Record(Type.String({ pattern: variable }), Type.String({ maxLength: 65536 }), {
    additionalProperties: false,
    maxProperties: 200,
    description,
  })
const Name = Type.String({ pattern: name })
const repoPath = Type.String({ minLength: 1, maxLength: 500 })
const Timeout = Type.String({ pattern: '^[1-9][0-9]{0,4}(s|m|h)$', description: 'Like 90s, 10m or 1h.' })
const Globs = Type.Array(Type.String({ minLength: 1, maxLength: 255 }), { minItems: 1, maxItems: 50 })
const Paths = Type.Array(Type.String({ minLength: 1, maxLength: 255 }), {
  minItems: 1,
  maxItems: 50,
  description: 'Globs of files; one that begins with ! leaves out again.',
})
const SecretNames = Type.Array(Type.String({ pattern: variable }), {
  maxItems: 50,
  description: 'Secrets of the repository, by name. Only trusted refs get them.',
})
const ImageRef = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,254}$' })

const Image = Type.Object(
  {
    context: Type.Optional(repoPath),
    dockerfile: Type.Optional(repoPath),
    target: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$' })),
    args: Type.Optional(variables('Build arguments.')),
    from: Type.Optional(
      Type.Record(Type.String({ pattern: variable }), Name, {
        additionalProperties: false,
        maxProperties: 20,
        description:
          'Build argument -> image of this pipeline, which is built first; the Dockerfile takes it by ARG and FROM.',
      }),
    ),
    labels: Type.Optional(
      Type.Record(Type.String({ pattern: '^[a-z0-9][a-z0-9./_-]{0,254}$' }), Type.String({ maxLength: 4096 }), {
        additionalProperties: false,
        maxProperties: 50,
      }),
    ),
    secrets: Type.Optional(SecretNames),
    platforms: Type.Optional(
      Type.Array(Type.String({ pattern: '^linux/[a-z0-9]+(/v[0-9]+)?$' }), { minItems: 1, maxItems: 4 }),
    ),
    tags: Type.Optional(
      Type.Array(Type.String({ pattern: '^[A-Za-z0-9_{][A-Za-z0-9_.{}-]{0,127}$' }), {
        maxItems: 10,
        description: 'More tags for the published image; {branch}, {tag}, {sha} and {number} are filled in.',
      }),
    ),
    paths: Type.Optional(Paths),
  },
  strict,
)
const Service = Type.Object(
  {
    image: ImageRef,
    env: Type.Optional(variables('Environment of the service.')),
    command: Type.Optional(Type.Array(Type.String({ maxLength: 4096 }), { minItems: 1, maxItems: 100 })),
    ready: Type.Optional(
      Type.Union(
        [
          Type.Object({ port: Type.Integer({ minimum: 1, maximum: 65535 }) }, strict),
          Type.Object({ command: Type.String({ minLength: 1, maxLength: 4096 }) }, strict),
        ],
        { description: "A port that answers or a command that ends with 0. Without it, the image's health check." },
      ),
    ),
    timeout: Type.Optional(Timeout),
  },
  strict,
)
const Test = Type.Object(
  {
    image: Type.Optional(ImageRef),
    run: Type.Array(Type.String({ minLength: 1, maxLength: 65536 }), {
      minItems: 1,
      maxItems: 100,
      description: 'Shell commands; the first that fails ends the test.',
    }),
    env: Type.Optional(variables('Environment of the commands.')),
    workdir: Type.Optional(Type.String({ pattern: '^/', maxLength: 500 })),
    services: Type.Optional(named(Service, "Run beside the test, reachable by name on the run's own network.")),
    matrix: Type.Optional(
      Type.Record(
        Type.String({ pattern: variable }),
        Type.Array(Type.String({ minLength: 1, maxLength: 100 }), { minItems: 1, maxItems: 20 }),
        { additionalProperties: false, maxProperties: 4, description: 'Variable -> values; the test runs for each.' },
      ),
    ),
    needs: Type.Optional(Type.Array(Name, { maxItems: 20, description: 'Tests that must pass first.' })),
    when: Type.Optional(
      Type.Object(
        {
          event: Type.Optional(
            Type.Array(
              Type.Union([
                Type.Literal('push'),
                Type.Literal('tag'),
                Type.Literal('pull_request'),
                Type.Literal('manual'),
              ]),
              { minItems: 1 },
            ),
          ),
          branch: Type.Optional(Globs),
          paths: Type.Optional(Paths),
        },
        strict,
      ),
    ),
    timeout: Type.Optional(Timeout),
    retry: Type.Optional(Type.Integer({ minimum: 0, maximum: 5, description: 'More tries after a failure.' })),
    allow_failure: Type.Optional(Type.Boolean()),
    secrets: Type.Optional(SecretNames),
    reports: Type.Optional(
      Type.Object({ junit: Type.String({ pattern: '^/', maxLength: 500, description: 'File or folder.' }) }, strict),
    ),
    artifacts: Type.Optional(
      Type.Object(
        {
          paths: Type.Array(Type.String({ pattern: '^/', maxLength: 500 }), { minItems: 1, maxItems: 20 }),
          expire: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,3}(h|d)$', description: 'Like 12h or 7d.' })),
        },
        strict,
      ),
    ),
    cache: Type.Optional(
      Type.Array(
        Type.Object(
          {
            path: Type.String({ pattern: '^/', maxLength: 500 }),
            key: Type.Array(repoPath, { minItems: 1, maxItems: 20, description: 'Files whose content is the key.' }),
          },
          strict,
        ),
        { maxItems: 5 },
      ),
    ),
  },
  strict,
)
const Deploy = Type.Object(
  {
    on: Type.Optional(Type.Object({ branch: Type.Union([Type.String({ minLength: 1 }), Globs]) }, strict)),
    namespace: Type.Optional(Type.String({ pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' })),
    manifests: Type.Optional(repoPath),
    after: Type.Optional(Type.String({ pattern: name })),
    approval: Type.Optional(Type.Literal('required', { description: 'Not supported yet.' })),
    timeout: Type.Optional(Timeout),
  },
  strict,
)
const Input = Type.Object(
  {
    description: Type.Optional(Type.String({ maxLength: 500 })),
    default: Type.Optional(Type.String({ maxLength: 1000 })),
    options: Type.Optional(Type.Array(Type.String({ maxLength: 1000 }), { minItems: 1, maxItems: 50 })),
  },
  strict,
)

/** `.taxiway.yaml`, version 1: the schema is the source of the types, the messages and the editors' JSON Schema. */
export const Pipeline = Type.Object(
  {
    version: Type.Literal(1),
    on: Type.Optional(
      Type.Object(
        {
          push: Type.Optional(Type.Object({ branches: Type.Optional(Globs), paths: Type.Optional(Paths) }, strict)),
          tag: Type.Optional(Globs),
          pull_request: Type.Optional(
            Type.Object({ branches: Type.Optional(Globs), paths: Type.Optional(Paths) }, strict),
          ),
          manual: Type.Optional(
            Type.Object(
              {
                inputs: Type.Optional(
                  Type.Record(Type.String({ pattern: variable }), Input, {
                    additionalProperties: false,
                    maxProperties: 20,
                    description: 'Given to tests as TAXIWAY_INPUT_<NAME>.',
                  }),
                ),
              },
              strict,
            ),
          ),
        },
        strict,
      ),
    ),
    timeout: Type.Optional(Timeout),
    concurrency: Type.Optional(
      Type.Union([Type.Literal('newest'), Type.Literal('all')], {
        description: 'newest: a newer push to the branch cancels the older run. all: every push runs to its end.',
      }),
    ),
    images: Type.Optional(named(Image, 'What is built, by name.')),
    test: Type.Optional(named(Test, 'What must pass before anything is deployed.')),
    deploy: Type.Optional(named(Deploy, 'Where it goes, by environment.')),
  },
  { ...strict, title: 'Taxiway pipeline', description: '.taxiway.yaml version 1' },
)
export type Pipeline = Type.Static<typeof Pipeline>

/** What a test runs in: the image it names, else the only one of the pipeline. */
export const testImage = (pipeline: Pipeline, test: { image?: string }): string | undefined => {
  const names = Object.keys(pipeline.images ?? {})
  return test.image ?? (names.length === 1 ? names[0] : undefined)
}
