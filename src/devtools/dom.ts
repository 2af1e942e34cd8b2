/** Makes an element: its class, and its text. */
export function make(tag: string, name = '', text = ''): HTMLElement {
  const made = document.createElement(tag)
  if (name) made.className = name
  if (text) made.textContent = text
  if (made instanceof HTMLButtonElement) made.type = 'button'
  return made
}

/** Lets an element have so many children of a kind: those that are there are kept from one frame to the next. */
export function fill(parent: HTMLElement, tag: string, count: number): readonly HTMLElement[] {
  while (parent.children.length > count) parent.lastChild?.remove()
  while (parent.children.length < count) parent.append(make(tag))
  return [...parent.children] as HTMLElement[]
}
