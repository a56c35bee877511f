import { createHmac, timingSafeEqual } from 'node:crypto'

/**
 * Did one of the secrets sign exactly these bytes? `sha256=` and the HMAC-SHA256 of the body in hex
 * (docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries). Compared in constant time. By hand because the
 * host's library takes a string, and bytes that are no UTF-8 must be compared as they came.
 */
export function verifySignature(raw: Buffer, signature: string | undefined, secrets: readonly string[]): boolean {
  const given = /^sha256=([0-9a-f]{64})$/.exec(signature ?? '')?.[1]
  const bytes = Buffer.from(given ?? '0'.repeat(64), 'hex')
  let holds = false
  for (const secret of secrets)
    if (timingSafeEqual(createHmac('sha256', secret).update(raw).digest(), bytes)) holds = true
  return holds && given !== undefined
}
