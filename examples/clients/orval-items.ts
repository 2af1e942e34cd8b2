/** As orval 7.13.2 generates it from an OpenAPI document with two operations, its client 'fetch' and the mutator. */
import { call } from './orval.ts'
export interface Item {
  id: string
}

export interface Text {
  text: string
}

export interface Echo {
  bodyLength: number
}

export type GetItemParams = {
  id: string
}

export type getItemResponse200 = {
  data: Item
  status: 200
}

export type getItemResponseSuccess = getItemResponse200 & {
  headers: Headers
}

export type getItemResponse = getItemResponseSuccess

export const getGetItemUrl = (params: GetItemParams) => {
  const normalizedParams = new URLSearchParams()

  Object.entries(params || {}).forEach(([key, value]) => {
    if (value !== undefined) {
      normalizedParams.append(key, value === null ? 'null' : value.toString())
    }
  })

  const stringifiedParams = normalizedParams.toString()

  return stringifiedParams.length > 0 ? `/api/items?${stringifiedParams}` : `/api/items`
}

export const getItem = async (params: GetItemParams, options?: RequestInit): Promise<getItemResponse> => {
  return call<getItemResponse>(getGetItemUrl(params), {
    ...options,
    method: 'GET',
  })
}

export type echoResponse200 = {
  data: Echo
  status: 200
}

export type echoResponseSuccess = echoResponse200 & {
  headers: Headers
}

export type echoResponse = echoResponseSuccess

export const getEchoUrl = () => {
  return `/api/echo`
}

export const echo = async (text: Text, options?: RequestInit): Promise<echoResponse> => {
  return call<echoResponse>(getEchoUrl(), {
    ...options,
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...options?.headers },
    body: JSON.stringify(text),
  })
}
