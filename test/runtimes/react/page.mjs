import { createElement, StrictMode, version } from 'react'
import { hydrateRoot } from 'react-dom/client'
import { App } from './app.mjs'

globalThis.version = version
hydrateRoot(document.getElementById('root'), createElement(StrictMode, null, createElement(App)))
