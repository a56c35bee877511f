import type { Api, ApiDeps } from '../api.ts'
import { signInRoutes } from './sign-in.ts'
import { readStatic, sendStatic } from './static.ts'

/** What the pages load, by name: nothing else in the folder is served. */
const assets = [
  'api.js',
  'approval.js',
  'base.css',
  'diff.js',
  'drift.js',
  'environment.css',
  'environment.js',
  'environments.js',
  'icon.svg',
  'log.js',
  'inert.js',
  'log-text.js',
  'results.css',
  'run.css',
  'run.js',
  'run-parts.js',
  'runs.js',
  'show.js',
  'tests.js',
  'workload.js',
] as const

/**
 * The pages for people. They are public shells without data: their scripts read the API with the cookie of the sign-in
 * page, and lead there when it is refused. The files are read once, here.
 */
export function pageRoutes(app: Api, deps: ApiDeps): void {
  const options = { config: { scope: 'public' as const }, schema: { hide: true } }
  const runs = readStatic('runs.html')
  const run = readStatic('run.html')
  const environments = readStatic('environments.html')
  app.get('/', options, (request, reply) => sendStatic(request, reply, runs))
  app.get('/runs/:id', options, (request, reply) => sendStatic(request, reply, run))
  app.get('/repos/:id', options, (request, reply) => sendStatic(request, reply, environments))
  for (const name of assets) {
    const file = readStatic(name)
    app.get(`/assets/${name}`, options, (request, reply) => sendStatic(request, reply, file))
  }
  signInRoutes(app, deps)
}
