import Type from 'typebox'
import { Deploy } from './deploy.ts'
import {
  globs,
  Input,
  Name,
  named,
  paths,
  pull,
  SecretNames,
  strict,
  text,
  timeout,
  variable,
  variables,
} from './parts.ts'
import { Test } from './test.ts'

/** Whoever wants more commits than these wants all. */
const mostCommits = 100_000
const Image = Type.Object(
  {
    context: Type.Optional(text(500, 'Folder in the repository that the build sees. Default: the whole repository.')),
    dockerfile: Type.Optional(
      text(500, 'Path of the Dockerfile in the context, or else in the repository. Default: Dockerfile.'),
    ),
    target: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$',
        description: 'The name of a build stage of the Dockerfile. Default: its last.',
      }),
    ),
    args: Type.Optional(
      variables(
        'Build arguments; {sha}, {tag}, {branch} and the other words that tests know as TAXIWAY_SHA and so on are filled in.',
      ),
    ),
    from: Type.Optional(
      Type.Record(Type.String({ pattern: variable }), Name, {
        additionalProperties: false,
        maxProperties: 20,
        description:
          'Build argument -> image of this pipeline, which is built first; the Dockerfile takes it by ARG and FROM.',
      }),
    ),
    labels: Type.Optional(
      Type.Record(
        Type.String({ pattern: '^(?!taxiway[.])[a-z0-9][a-z0-9./_-]{0,254}$' }),
        Type.String({ maxLength: 4096 }),
        {
          additionalProperties: false,
          maxProperties: 50,
          description:
            'Labels of the image, beside those that say what it was built from. None may begin with taxiway.',
        },
      ),
    ),
    as: Type.Optional(
      Type.String({
        pattern: '^[a-z0-9]([a-z0-9.-]*(:[0-9]{1,5})?)(/[a-z0-9]+([._-]+[a-z0-9]+)*)+$',
        maxLength: 253,
        description:
          'The name by which manifests mean this image besides its own, like ghcr.io/acme/shop: with any tag or digest.',
      }),
    ),
    secrets: Type.Optional(SecretNames),
    pull: Type.Optional(pull('As pull of the file, for the images that its Dockerfile names.')),
    platforms: Type.Optional(
      Type.Array(
        Type.String({
          pattern: '^linux/[a-z0-9]+(/v[0-9]+)?$',
          description: 'A platform like linux/amd64 or linux/arm64.',
        }),
        {
          minItems: 1,
          maxItems: 4,
          description:
            'What the image is built for: one, which the engine must have. Default: what the engine runs on.',
        },
      ),
    ),
    tags: Type.Optional(
      Type.Array(
        Type.String({
          pattern: '^[A-Za-z0-9_{][A-Za-z0-9_.{}-]{0,127}$',
          description: 'A tag with letters, digits, dots, dashes and underscores, like {branch} or v{number}.',
        }),
        {
          maxItems: 10,
          description:
            'More tags for the published image, moved by each run; {branch}, {tag}, {sha} and {number} are filled in.',
        },
      ),
    ),
    paths: Type.Optional(
      paths(
        'The image is built again only when one of these, its Dockerfile, or an image it is made from has changed.',
      ),
    ),
  },
  { ...strict, description: 'An image, built with BuildKit.' },
)
const Checkout = Type.Object(
  {
    history: Type.Optional(
      Type.Union([Type.Literal('full'), Type.Integer({ minimum: 1, maximum: mostCommits })], {
        description:
          'Brings a .git with what came before the commit: full, or so many generations of commits. Default: full with tags, else no .git.',
      }),
    ),
    tags: Type.Optional(
      Type.Boolean({ description: 'Brings the tags that lead to commits of the history. Default: false.' }),
    ),
    lfs: Type.Optional(
      Type.Boolean({ description: 'Fetches the files of Git LFS in the place of their pointers. Default: false.' }),
    ),
  },
  { ...strict, minProperties: 1, description: 'What else of the repository builds get.' },
)
/** `.taxiway.yaml`, version 1: the schema is the source of the types, the messages and the editors' JSON Schema. */
export const Pipeline = Type.Object(
  {
    version: Type.Literal(1, { description: 'The version of this format.' }),
    on: Type.Optional(
      Type.Object(
        {
          push: Type.Optional(
            Type.Object(
              {
                branches: Type.Optional(
                  globs(
                    'branches',
                    'A push to any other starts nothing. Default: all that the rule of the repository lets start.',
                  ),
                ),
                paths: Type.Optional(paths('A push that changes none of them starts nothing.')),
              },
              { ...strict, description: 'Pushes to branches.' },
            ),
          ),
          tag: Type.Optional(globs('tags', 'These start a run. Default: none does.')),
          pull_request: Type.Optional(
            Type.Object(
              {
                branches: Type.Optional(globs('branches', 'Pull requests into any other start nothing. Default: all.')),
                paths: Type.Optional(paths('A pull request that changes none of them starts nothing.')),
              },
              { ...strict, description: 'Pull requests. Without this key they start nothing; {} takes all.' },
            ),
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
              { ...strict, description: 'Runs that a person starts.' },
            ),
          ),
        },
        { ...strict, description: 'What starts a run.' },
      ),
    ),
    timeout: Type.Optional(timeout('How long the whole run may take. Default: no limit.')),
    concurrency: Type.Optional(
      Type.Union([Type.Literal('newest'), Type.Literal('all')], {
        description:
          'Which of the runs of a branch go on. newest: a newer push to the branch cancels the older run. all: every push runs to its end. Default: all.',
      }),
    ),
    pull: Type.Optional(
      pull(
        'Images of registries, which Dockerfiles, tests and services name by a tag. always: the registry is asked what the tag stands for now. if-not-present: what the engine has is taken. never: nothing else is. Default: always.',
      ),
    ),
    checkout: Type.Optional(Checkout),
    images: Type.Optional(named(Image, 'What is built, by name.')),
    test: Type.Optional(named(Test, 'What must pass before anything is deployed.')),
    deploy: Type.Optional(named(Deploy, 'Where it goes, by environment.')),
  },
  { ...strict, title: 'Taxiway pipeline', description: '.taxiway.yaml version 1' },
)
export type Pipeline = Type.Static<typeof Pipeline>
/** Its parts by name: an image, a test, an environment, and a component or job of one. */
export type ImageOf = NonNullable<Pipeline['images']>[string]
export type TestOf = NonNullable<Pipeline['test']>[string]
export type DeployOf = NonNullable<Pipeline['deploy']>[string]
export type ComponentOf = NonNullable<DeployOf['components']>[string]
export type JobOf = NonNullable<DeployOf['before']>[string]

/** What a test runs in: the image it names, else the only one of the pipeline. */
export const testImage = (pipeline: Pipeline, test: { image?: string }): string | undefined => {
  const names = Object.keys(pipeline.images ?? {})
  return test.image ?? (names.length === 1 ? names[0] : undefined)
}
