/** Clients that come without types, or with types that cannot be had without those of others. */
declare module 'needle'
declare module 'simple-oauth2'
declare module 'superagent'
declare module 'xhr2'
