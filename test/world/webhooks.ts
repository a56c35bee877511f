import { createHmac, randomUUID } from 'node:crypto'

export interface Hook {
  url: string
  secret: string
}
export interface SendOptions {
  id?: string
  event?: string
  signature?: string | undefined
  headers?: Record<string, string>
  signal?: AbortSignal
}

/** GitHub's signature of a body. */
export const sign = (secret: string, body: string | Buffer): string =>
  `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`

/** A push as GitHub tells it, with the fields that matter. */
export const pushBody = (name: string, sha: string, more: object = {}): string =>
  JSON.stringify({
    ref: 'refs/heads/main',
    before: '0'.repeat(40),
    after: sha,
    deleted: false,
    head_commit: { id: sha, message: 'Change', author: { name: 'somebody' } },
    repository: { full_name: name, default_branch: 'main' },
    ...more,
  })

/** Sends a delivery; signed right, unless told otherwise. */
export async function send(
  hook: Hook,
  body: string | Buffer,
  options: SendOptions = {},
): Promise<{ status: number; body: any; headers: Headers }> {
  const signature = 'signature' in options ? options.signature : sign(hook.secret, body)
  const response = await fetch(hook.url, {
    method: 'POST',
    body: body as string,
    headers: {
      'content-type': 'application/json',
      'x-github-event': options.event ?? 'push',
      'x-github-delivery': options.id ?? randomUUID(),
      ...(signature ? { 'x-hub-signature-256': signature } : {}),
      ...options.headers,
    },
    signal: options.signal ?? AbortSignal.timeout(20_000),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text.startsWith('{') ? JSON.parse(text) : text }
}
