/** One tab of a real browser. */
export interface Tab {
  navigate(url: string): Promise<void>
  /** Ends it as a person does. */
  close(): Promise<void>
  /** Ends its process without a word to the page. What is left of the tab is put away. */
  kill(): Promise<void>
  /** Nothing in it runs any more: neither timers nor answers. */
  freeze(): Promise<void>
  resume(): Promise<void>
  /** Goes one step back in the history of the tab. */
  back(): Promise<void>
}

/** A real browser with one profile. Whatever its tabs load from one origin shares storage, locks and channels. */
export interface Engine {
  readonly name: 'Chromium' | 'Firefox' | 'WebKit'
  /** A name or address of this machine that the engine does not take for a secure context. */
  readonly insecureHost: string
  open(url: string): Promise<Tab>
  close(): Promise<void>
}
