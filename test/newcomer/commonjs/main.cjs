const axios = require('axios')
const { createSession } = require('refresh-once')
const { attachSession } = require('refresh-once/axios')
const { live } = require('./life.js')
const { post, refresh, url } = require('./server-side.js')

const session = createSession({ tokens: null, refresh })
const api = axios.create({ baseURL: url })
attachSession(api, session)
const get = async (path) => (await api.get(path)).data

live({ session, get, post }).then((result) => console.log(JSON.stringify(result)))
