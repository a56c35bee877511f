// Slow: on a new machine it makes a Debian image with compilers, Python, Node and a database first.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ensureDebianImage, projectPackages } from '../../world/debian-images.ts'
import { type ImageWorld, makeImageWorld } from '../../world/image-world.ts'

const debian = 'taxiway-local/node:bookworm'
let images: ImageWorld
beforeAll(async () => {
  images = await makeImageWorld('strange-users', { roles: ['api', 'builder'] })
  await ensureDebianImage(images.docker, { packages: projectPackages, names: [debian] })
}, 1_500_000)
afterAll(() => images?.stop())

test('a cache belongs to the user of the image, and hides nothing that the image has', async () => {
  const cached = (version: number) => [
    `FROM ${debian}`,
    'RUN useradd -m node',
    `RUN mkdir -p /app/deps && echo ${version} > /app/deps/version`,
    'USER node',
    'WORKDIR /home/node',
  ]
  const pipeline = {
    images: { deb: { context: 'deb' } },
    test: {
      unit: {
        run: ['touch ~/.npm/x ~/.cache/y ~/.cache/pip/z', 'cat /app/deps/version', 'ls ~/.npm ~/.cache/pip'],
        cache: ['/home/node/.npm', '/home/node/.cache/pip', '/app/deps'].map((path) => ({ path, key: ['lock'] })),
      },
    },
  }
  for (const version of [1, 2]) {
    const files = { lock: 'same', 'deb/Dockerfile': cached(version).join('\n'), Dockerfile: 'FROM busybox:stable\n' }
    const { run: ended, log } = await images.run(pipeline, files)
    expect(ended.state, log).toBe('succeeded')
    expect(log).toContain(`$ cat /app/deps/version\n${version}\n`)
    expect(log).toContain('note: cache /app/deps is left out')
  }
})

test('what images do as root works: a database steps down from it, apt-get drops its rights, files are handed over', async () => {
  const entry = `#!/bin/sh
set -e
PGDATA=/srv/pg
if [ "$(id -u)" = 0 ]; then
  find "$PGDATA" \\! -user postgres -exec chown postgres '{}' +
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
export PATH=/usr/lib/postgresql/15/bin:$PATH
[ -s "$PGDATA/PG_VERSION" ] || initdb -D "$PGDATA" -A trust >/dev/null
echo "host all all all trust" >> "$PGDATA/pg_hba.conf"
exec "$@"
`
  const dockerfile = [
    `FROM ${debian}`,
    'RUN install -d -m 1777 /srv/pg',
    'COPY entry.sh /entry.sh',
    'RUN chmod 755 /entry.sh',
    'ENTRYPOINT ["/entry.sh"]',
    'CMD ["postgres","-D","/srv/pg","-c","listen_addresses=*"]',
  ]
  const made = await images.run(
    {
      images: { db: { context: 'db' }, deb: { context: 'deb' } },
      test: {
        unit: {
          image: 'deb',
          run: ['psql -h db -U postgres -c "select 1"', 'df -k /dev/shm | tail -1', 'echo "files $(ulimit -n)"'],
          services: { db: { image: 'db', ready: { port: 5432 }, timeout: '40s', memory: '512Mi', shm: '128Mi' } },
          memory: '3Gi',
          shm: '256Mi',
        },
        root: {
          image: 'deb',
          run: [
            'mkdir /repo && touch /repo/Packages && echo "deb [trusted=yes] file:/repo ./" > /etc/apt/sources.list',
            'apt-get update',
            'touch /f && chown daemon /f && su -s /bin/sh daemon -c "echo mine > /f"',
            'python3 -m http.server 80 & sleep 1; kill $!',
          ],
        },
        large: { image: 'deb', run: ['true'], memory: '9999Gi' },
      },
    },
    { 'db/entry.sh': entry, 'db/Dockerfile': dockerfile.join('\n'), 'deb/Dockerfile': `FROM ${debian}\n` },
  )
  const states = Object.fromEntries(made.run.tests.map((one: any) => [one.name, one.reason?.message ?? one.state]))
  expect(states, made.log).toEqual({
    unit: 'passed',
    root: 'passed',
    large: expect.stringMatching(/^The option memory of test large \(a builder has 16Gi in all/),
  })
  expect(made.log).toMatch(/262144 .*\/dev\/shm/)
  expect(made.log).not.toContain('Operation not permitted')
}, 240_000)
