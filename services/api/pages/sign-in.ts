import type { FastifyReply, FastifyRequest } from 'fastify'
import { cookieName } from '../access.ts'
import type { Api, ApiDeps } from '../api.ts'
import { pageHeaders, readStatic, sendStatic } from './static.ts'

/** Sign-ins that one address may try in a minute, right or wrong. */
const triesPerMinute = 30
const formLimitBytes = 8 * 1024
const cookieSeconds = 30 * 24 * 3600
const options = { config: { scope: 'public' as const }, schema: { hide: true } }
const problems = {
  wrong: 'This token is not known here, was revoked, or has expired.',
  often: 'Too many tries. Wait a minute and try again.',
  foreign: 'This form was sent from another site, or under another address than TAXIWAY_URL says.',
} as const

/** `GET /login`, `POST /login` and `POST /logout`: a token goes into a cookie that scripts can't read, and out again. */
export function signInRoutes(app: Api, deps: ApiDeps): void {
  const page = readStatic('login.html')
  const attributes = `Path=/; HttpOnly; SameSite=Lax${deps.url.startsWith('https:') ? '; Secure' : ''}`
  app.get('/login', options, (request, reply) => sendStatic(request, reply, page))
  app.register(async (scope) => {
    const limit = scope.createRateLimit({ max: triesPerMinute, timeWindow: 60_000 })
    const refused = (reply: FastifyReply, status: number, problem: string) =>
      pageHeaders(reply)
        .code(status)
        .header('cache-control', 'no-store')
        .type(page.type)
        .send(page.body.replace('<!-- problem -->', `<p class="problem" role="alert">${problem}</p>`))
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit: formLimitBytes },
      (_request, body, done) => done(null, new URLSearchParams(body as string)),
    )
    scope.addHook('onRequest', async (request, reply) => {
      if (!isOwnOrigin(request, deps.url)) return refused(reply, 403, problems.foreign)
    })

    scope.post('/login', options, async (request, reply) => {
      const rate = await limit(request)
      if (!rate.isAllowed && rate.isExceeded) return refused(reply.header('retry-after', '60'), 429, problems.often)
      const token = (request.body as URLSearchParams | undefined)?.get('token')?.trim() ?? ''
      if (!isCookieValue(token) || !(await deps.store.tokens.find(token))) return refused(reply, 401, problems.wrong)
      const { return_to: target } = request.query as { return_to?: unknown }
      return reply
        .header('set-cookie', `${cookieName}=${token}; Max-Age=${cookieSeconds}; ${attributes}`)
        .header('cache-control', 'no-store')
        .redirect(isOwnPath(target) ? target : '/', 303)
    })
    scope.post('/logout', options, async (_request, reply) =>
      reply.header('set-cookie', `${cookieName}=; Max-Age=0; ${attributes}`).redirect('/login', 303),
    )
  })
}

/** Browsers name the page a form was sent from; another site's form must not sign anybody in or out. */
function isOwnOrigin(request: FastifyRequest, url: string): boolean {
  const origin = request.headers.origin
  if (origin === undefined) return true
  if (!URL.canParse(origin)) return false
  return origin === new URL(url).origin || new URL(origin).host === request.headers.host
}

/** May the token stand in a cookie as it is? (RFC 6265, section 4.1.1, a little wider: browsers only end a value at `;`.) */
const isCookieValue = (token: string): boolean => /^[!-:<-~]{1,500}$/.test(token)

/** A path on this server. Browsers read `//` and `/\` as another host, and drop tabs and line ends before they look. */
const isOwnPath = (target: unknown): target is string =>
  typeof target === 'string' && /^\/(?![/\\])[!-~]{0,1000}$/.test(target)
