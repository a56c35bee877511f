// Slow: on a new machine it makes a Debian image with compilers, Python, Node and a database first.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ensureDebianImage, projectPackages } from '../../world/debian-images.ts'
import { type ImageWorld, makeImageWorld } from '../../world/image-world.ts'

const debian = 'taxiway-local/node:bookworm'
let images: ImageWorld
beforeAll(async () => {
  images = await makeImageWorld('strange-tests', { roles: ['api', 'builder'] })
  await ensureDebianImage(images.docker, { packages: projectPackages, names: [debian] })
}, 1_500_000)
afterAll(() => images?.stop())

/** Runs these tests in one run, on images of BusyBox (`web`) and Debian (`deb`). */
async function run(tests: object, files: Record<string, string> = {}) {
  const made = await images.run(
    { images: { web: {}, deb: { context: 'deb' } }, test: tests },
    { Dockerfile: 'FROM busybox:stable\n', 'deb/Dockerfile': `FROM ${debian}\n`, ...files },
  )
  const one = Object.fromEntries((made.run.tests ?? []).map((each: { name: string }) => [each.name, each]))
  const lines = (name: string) =>
    made.log.split('\n').flatMap((line: string) => (line.startsWith(`${name} | `) ? [line.slice(name.length + 3)] : []))
  return { ...made, one, lines }
}

test('commands run in the place of the entrypoint, and a pipe fails with any part of it where the shell can', async () => {
  const app = 'echo "shop 1.0 called with: $*"\nexit 0\n'
  const swallows = 'FROM busybox:stable\nCOPY app.sh /app.sh\nENTRYPOINT ["sh","/app.sh"]\nCMD ["serve"]\n'
  const piped = ['false | tee out.txt', 'echo after']
  const { one, lines } = await run(
    {
      entrypoint: { image: 'web', run: ['echo running the tests', 'exit 7'] },
      busybox: { image: 'web', run: piped },
      bash: { image: 'deb', shell: 'bash', run: piped },
      dash: { image: 'deb', run: piped },
      none: { image: 'deb', shell: '/bin/true', run: ['exit 7'] },
      absent: { image: 'web', shell: 'bash', run: ['true'] },
      quote: { image: 'deb', run: ["echo it's fine", "exit 1 # isn't"] },
    },
    { 'app.sh': app, Dockerfile: swallows },
  )
  expect(one.entrypoint).toMatchObject({ state: 'failed', reason: { code: 'test_failed' } })
  expect(one.entrypoint.reason.message).toContain('exit code 7: running the tests.')
  expect(lines('entrypoint').join()).not.toContain('shop 1.0')
  expect(one).toMatchObject({ busybox: { state: 'failed' }, bash: { state: 'failed' }, quote: { state: 'failed' } })
  expect([one.dash.state, lines('dash')]).toEqual([
    'passed',
    expect.arrayContaining([expect.stringMatching(/pipefail/)]),
  ])
  expect(one.none).toMatchObject({ state: 'failed', reason: { message: expect.stringContaining('no command began') } })
  expect(one.absent.reason.message).toBe(
    'Test absent failed with exit code 127: no command began, as the image has no bash that runs them.',
  )
})

test('the cause of a failure is what its own command said, in words and in the order in which they were said', async () => {
  const report =
    '<testsuite><testcase name="adds up"><failure message="1 is not 2"/></testcase><testcase name="b"/></testsuite>'
  const {
    run: ended,
    one,
    lines,
  } = await run({
    silent: { image: 'web', run: ['true', 'test 1 = 2', 'echo never'] },
    coloured: {
      image: 'web',
      run: ['printf "\\033[1;31mFAIL\\033[0m \\033[2mtests/a.test.js\\033[0m\\n\\033[0m\\n"; exit 1'],
    },
    order: {
      image: 'deb',
      run: [
        'for i in 1 2 3 4 5 6 7 8; do echo "collected $i"; echo "ERROR $i" >&2; done',
        'echo "summary: see above"',
        'echo "ERROR: cannot import cart" >&2; exit 2',
      ],
    },
    report: {
      image: 'web',
      run: [`echo '${report}' > /r.xml; echo "npm error code 1"; exit 1`],
      reports: { junit: '/r.xml' },
    },
    memory: { image: 'deb', run: ['python3 -c "x=bytearray(2600*1024*1024)" || echo "limit test ok"'] },
    killed: { image: 'web', run: ['echo gave up', 'exit 137'] },
  })
  const messages = Object.fromEntries(Object.entries(one).map(([name, { reason }]) => [name, reason?.message]))
  expect(messages).toEqual({
    silent: 'Test silent failed with exit code 1: test 1 = 2, which printed nothing.',
    coloured: 'Test coloured failed with exit code 1: FAIL tests/a.test.js.',
    order: 'Test order failed with exit code 2: ERROR: cannot import cart.',
    report: 'Test report failed with exit code 1: adds up: 1 is not 2.',
    memory: undefined,
    killed: 'Test killed failed with exit code 137: gave up.',
  })
  expect(one.memory.state).toBe('passed')
  expect(ended.notes).toEqual([{ code: 'process_killed', message: expect.stringContaining('test memory') }])
  const numbered = lines('order').filter((line) => /^(collected|ERROR) \d$/.test(line))
  expect(numbered).toEqual([1, 2, 3, 4, 5, 6, 7, 8].flatMap((i) => [`collected ${i}`, `ERROR ${i}`]))
})

test('a service that dies is told with its last words, and files are taken by globs', async () => {
  const dies = 'sleep 1; echo FATAL out of handles; exit 3'
  const report = '<testsuite><testcase name="x"/></testsuite>'
  const {
    run: ended,
    one,
    lines,
  } = await run({
    dead: {
      image: 'web',
      run: ['sleep 4', 'wget -qO- http://api:8000'],
      services: { api: { image: 'web', command: ['sh', '-c', dies] } },
    },
    globs: {
      image: 'web',
      run: [
        'mkdir -p /dist/sub /out/a && touch /dist/a-1.0.whl /dist/b-1.0.whl /dist/sub/c.whl /dist/d.txt',
        `for n in a b; do echo '${report}' > /out/a/junit-$n.xml; done; echo broken > /out/a/other.xml`,
      ],
      artifacts: { paths: ['/dist/*.whl', '/none/*.log'] },
      reports: { junit: '/out/**/junit-*.xml' },
    },
  })
  expect(one.dead.reason.message).toContain(
    'service api ended with exit code 3 while the test ran: FATAL out of handles; ',
  )
  expect(lines('dead')).toContain('service api | FATAL out of handles')
  const kept = ended.artifacts.map(({ path }: { path: string }) => path).sort()
  expect(kept).toEqual(['/dist/a-1.0.whl', '/dist/b-1.0.whl'])
  expect(one.globs).toMatchObject({ state: 'passed', counts: { total: 2, failed: 0 } })
  expect(lines('globs')).toContain('artifacts: /none/*.log is not kept: there is none')
})

test('tests and builds know what was pushed, and what it is called runs nowhere', async () => {
  const dockerfile = 'FROM busybox:stable\nARG REVISION\nARG BRANCH\nRUN echo "$REVISION $BRANCH" > /built\n'
  const { run: ended, log } = await images.run(
    {
      images: { web: { args: { REVISION: '{sha}', BRANCH: '{branch} {no_word}' } } },
      test: { unit: { run: ['cat /built', 'env | sort'], env: { TAXIWAY_AUTHOR: 'ours' } } },
    },
    { Dockerfile: dockerfile },
  )
  expect(ended.state, log).toBe('succeeded')
  expect(log).toContain(`\n${ended.sha} main {no_word}\n`)
  for (const line of [
    'TAXIWAY_EVENT=push',
    `TAXIWAY_SHA=${ended.sha}`,
    'TAXIWAY_BRANCH=main',
    'TAXIWAY_TAG=',
    `TAXIWAY_RUN_NUMBER=${ended.number}`,
    `TAXIWAY_RUN_URL=${ended.url}`,
    `TAXIWAY_REPOSITORY=${images.world.repository.name}`,
    'TAXIWAY_AUTHOR=ours',
    `BUILD_NUMBER=${ended.number}`,
  ])
    expect(log.split('\n')).toContain(line)
})
