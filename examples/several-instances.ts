import axios, { type AxiosInstance } from 'axios'
import { attachSession } from 'refresh-once/axios'
import { session } from './axios.ts'

export const orders: AxiosInstance = axios.create({ baseURL: 'https://app.example.com/api', timeout: 5_000 })
export const uploads: AxiosInstance = axios.create({ baseURL: 'https://app.example.com/api' })

attachSession(orders, session)
// This one may also send the token to a second origin, by an absolute URL.
export const detach: () => void = attachSession(uploads, session, { origins: ['https://files.example.com'] })
