// The bare handler that intake is compared with: one signature check, one durable write.
import { createHmac, timingSafeEqual } from 'node:crypto'
import fastify from 'fastify'
import { Redis } from 'ioredis'

const [port, redisUrl, secret] = process.argv.slice(2) as [string, string, string]
const redis = new Redis(redisUrl)
const app = fastify()
app.removeAllContentTypeParsers()
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
app.post('/', async (request, reply) => {
  const body = request.body as Buffer
  const given = Buffer.from(String(request.headers['x-hub-signature-256']).slice(7), 'hex')
  if (!timingSafeEqual(createHmac('sha256', secret).update(body).digest(), given)) return reply.code(401).send()
  await redis.xadd(
    'bench:bare',
    'MAXLEN',
    '~',
    1000,
    '*',
    'id',
    String(request.headers['x-github-delivery']),
    'body',
    body,
  )
  return reply.code(202).send({ ok: true })
})
await app.listen({ port: Number(port), host: '127.0.0.1' })
process.stdout.write('ready\n')
