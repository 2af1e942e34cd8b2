import { type Stored, storedOf } from '../../core/store.ts'

/** A record as the fields of a hash: epoch, generation, nonce, tokens, end, not before, reservation, until when. */
export function fieldsOf({ version, tokens, ended, notBefore, pending }: Stored): string[] {
  return [
    version.epoch,
    version.generation,
    version.nonce,
    tokens && JSON.stringify(tokens),
    ended,
    notBefore,
    pending?.generation,
    pending?.until,
  ].map((field) => String(field ?? ''))
}

/** Whether there is anything in such fields that counts as a record for the scripts. */
export function isFilled(fields: unknown): fields is unknown[] {
  return Array.isArray(fields) && textOf(fields[0]) !== ''
}

/** The record in such fields, where there is one, and it is one of ours. */
export function recordOf(fields: unknown): Stored | undefined {
  if (!isFilled(fields)) return undefined
  const [epoch = '', generation, nonce = '', tokens, ended, notBefore, pending, until] = fields.map(textOf)
  return storedOf({
    version: { epoch, generation: generation ? Number(generation) : undefined, nonce },
    ...(tokens && { tokens: parsed(tokens) }),
    ...(ended && { ended }),
    ...(notBefore && { notBefore: Number(notBefore) }),
    ...(pending && { pending: { generation: Number(pending), until: Number(until) } }),
  })
}

/** What the scripts call a record by, and a field that is absent is empty. */
export function nameOf(fields: unknown[]): string[] {
  const [epoch = '', generation = '', nonce = '', , ended = ''] = fields.map(textOf)
  return [epoch, generation, nonce, ended]
}

/** Some clients are set to reply with buffers. */
function textOf(field: unknown): string {
  return String(field ?? '')
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    // They are no tokens.
    return null
  }
}
