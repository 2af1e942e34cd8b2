import { isSessionError, type Session, tokenSource } from 'refresh-once'
import { Upload, type UploadOptions } from 'tus-js-client'

export function createUpload(session: Session, file: Upload['file'], options: UploadOptions): Upload {
  const { token, refused } = tokenSource(session)
  let refusals = 0
  return new Upload(file, {
    ...options,
    async onBeforeRequest(request) {
      request.setHeader('Authorization', `Bearer ${await token()}`)
    },
    onAfterResponse(_request, response) {
      if (response.getStatus() < 400) refusals = 0
    },
    onShouldRetry({ originalResponse, causingError }) {
      const status = originalResponse?.getStatus() ?? 0
      if (status === 401) void refused()
      if (status === 401) return ++refusals === 1
      // What onBeforeRequest has thrown is tried again, too, unless it is said here that it is not.
      return !isSessionError(causingError) && (status < 400 || status >= 500 || [409, 423].includes(status))
    },
  })
}
