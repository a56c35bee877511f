import Type from 'typebox'
import {
  globs,
  imageRef,
  inContainer,
  memory,
  Name,
  named,
  paths,
  pull,
  SecretNames,
  shell,
  shm,
  strict,
  text,
  timeout,
  variable,
  variables,
} from './parts.ts'

const Service = Type.Object(
  {
    image: imageRef('An image of this pipeline, or a reference like postgres:17.'),
    pull: Type.Optional(pull('As pull of the test, for this image.')),
    env: Type.Optional(variables('Environment of the service.')),
    command: Type.Optional(
      Type.Array(Type.String({ maxLength: 4096 }), {
        minItems: 1,
        maxItems: 100,
        description: "What the container runs. Default: the image's own command.",
      }),
    ),
    ready: Type.Optional(
      Type.Union(
        [
          Type.Object(
            {
              port: Type.Integer({ minimum: 1, maximum: 65535, description: 'The service is ready once it answers.' }),
            },
            strict,
          ),
          Type.Object(
            { command: text(4096, 'Shell command in the service: it is ready once this ends with 0.') },
            strict,
          ),
        ],
        { description: "A port that answers or a command that ends with 0. Without it, the image's health check." },
      ),
    ),
    memory: Type.Optional(memory),
    shm: Type.Optional(shm),
    secrets: Type.Optional(SecretNames),
    timeout: Type.Optional(timeout('How long it may take to be ready. Default: 1m.')),
  },
  { ...strict, description: 'A container beside the test.' },
)
const Combination = Type.Record(Type.String({ pattern: variable }), text(100, 'A value of the variable.'), {
  additionalProperties: false,
  maxProperties: 20,
  description: 'Variable -> value.',
})
const entries = (description: string) => Type.Array(Combination, { minItems: 1, maxItems: 100, description })
const include = entries('Values more, for the combinations that they fit; what fits none is a combination of its own.')
const exclude = entries('Combinations left out: those that have all values of an entry.')
interface Matrix {
  [variable: string]: string[] | Record<string, string>[] | undefined
  include?: Record<string, string>[]
  exclude?: Record<string, string>[]
}
/** Beside its two own keys, names that people choose: TypeBox has no word for both at once. */
const Matrix = Type.Unsafe<Matrix>({
  type: 'object',
  properties: { include, exclude },
  patternProperties: {
    [variable.replace('^', '^(?!(include|exclude)$)')]: Type.Array(text(100, 'A value of the variable.'), {
      minItems: 1,
      maxItems: 20,
      description: 'The values of the variable.',
    }),
  },
  additionalProperties: false,
  maxProperties: 6,
  description: 'Variable -> values; the test runs for each combination that include and exclude leave.',
})
/** A test of the pipeline file. */
export const Test = Type.Object(
  {
    image: Type.Optional(
      imageRef('An image of this pipeline, or a reference with its tag like node:24. Default: its only one.'),
    ),
    pull: Type.Optional(pull('As pull of the file, for its image and those of its services.')),
    run: Type.Array(text(65536, 'A shell command.'), {
      minItems: 1,
      maxItems: 100,
      description: 'Shell commands; the first that fails ends the test.',
    }),
    shell: Type.Optional(shell),
    env: Type.Optional(variables('Environment of the commands.')),
    workdir: Type.Optional(inContainer("Where the commands run. Default: the image's.")),
    services: Type.Optional(named(Service, "Run beside the test, reachable by name on the run's own network.")),
    matrix: Type.Optional(Matrix),
    needs: Type.Optional(Type.Array(Name, { maxItems: 20, description: 'Tests that must pass first.' })),
    when: Type.Optional(
      Type.Object(
        {
          event: Type.Optional(
            Type.Array(
              Type.Union(
                [Type.Literal('push'), Type.Literal('tag'), Type.Literal('pull_request'), Type.Literal('manual')],
                { description: 'What starts a run.' },
              ),
              { minItems: 1, description: 'Events that the test runs for. Default: all.' },
            ),
          ),
          branch: Type.Optional(globs('branches', 'The test runs for these. Default: all.')),
          paths: Type.Optional(paths('The test runs only when one of these has changed.')),
        },
        { ...strict, description: 'When the test is part of the run; all that stands here must hold.' },
      ),
    ),
    memory: Type.Optional(memory),
    shm: Type.Optional(shm),
    timeout: Type.Optional(timeout('How long one try may take. Default: 10m.')),
    retry: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 5, description: 'More tries after a failure. Default: 0.' }),
    ),
    allow_failure: Type.Optional(
      Type.Boolean({ description: 'true: the run goes on and can succeed when this test fails. Default: false.' }),
    ),
    secrets: Type.Optional(SecretNames),
    reports: Type.Optional(
      Type.Object(
        { junit: inContainer('JUnit XML that the commands write: a file, a folder of them, or a glob.') },
        { ...strict, description: 'What the test tells of itself; shown on the page of the run.' },
      ),
    ),
    artifacts: Type.Optional(
      Type.Object(
        {
          paths: Type.Array(inContainer('A file or folder to keep, or a glob of them.'), {
            minItems: 1,
            maxItems: 20,
            description:
              'Files and folders of the container, or globs of them, that are kept, whether the test passes or not; a folder as one archive.',
          }),
          expire: Type.Optional(
            Type.String({
              pattern: '^[1-9][0-9]{0,3}(h|d)$',
              description: 'A duration like 12h or 7d. How long they are kept. Default: 7d.',
            }),
          ),
        },
        { ...strict, description: 'What is kept of the test.' },
      ),
    ),
    cache: Type.Optional(
      Type.Array(
        Type.Object(
          {
            path: inContainer('The folder that is kept from one run to the next.'),
            key: Type.Array(text(500, 'A file of the repository.'), {
              minItems: 1,
              maxItems: 20,
              description: 'Files whose content is the key.',
            }),
          },
          { ...strict, description: 'A folder and its key.' },
        ),
        { maxItems: 5, description: 'Folders kept from one run to the next, as long as their key files are the same.' },
      ),
    ),
  },
  { ...strict, description: 'Commands in a container of an image that was just built.' },
)
