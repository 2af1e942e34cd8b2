import type { Stored } from '../../core/store.ts'

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

/** The record in such fields, where there is one. */
export function recordOf(fields: unknown): Stored | undefined {
  if (!Array.isArray(fields) || !fields[0]) return undefined
  const [epoch = '', generation, nonce = '', tokens, ended, notBefore, pending, until] = fields.map(
    // Some clients are set to reply with buffers.
    (field) => (field ? String(field) : undefined),
  )
  return {
    version: { epoch, generation: Number(generation), nonce },
    ...(tokens && { tokens: JSON.parse(tokens) }),
    ...(ended && { ended: ended as 'rejected' }),
    ...(notBefore && { notBefore: Number(notBefore) }),
    ...(pending && { pending: { generation: Number(pending), until: Number(until) } }),
  }
}
