import Axios from 'axios'
import { attachSession } from 'refresh-once/axios'
import { checksOf } from './transports.mjs'

/** As axios chooses it. */
const client = typeof XMLHttpRequest === 'function' ? 'XHR' : 'axios'

export const axios = checksOf(
  (session, { url }) => {
    const api = Axios.create({ baseURL: url })
    attachSession(api, session)
    return async (path, { body, ...config } = {}) => {
      const { status, data } = await api.request({ url: path, data: body, ...config })
      return { status, body: data }
    }
  },
  { client, aborted: 'CanceledError' },
)
