/** What is read out of a page, and changed in it, without a parser: pages here are plain. */
import { posix } from 'node:path'

const FENCE = /^(```+).*?^\1$/gms
const LINK = /(\]\(|\s(?:src|srcset)=")([^)\s"]+)((?: "[^"]*")?\)|")/g

/** The anchor that GitHub makes of a heading. The site makes the same, so that links hold in both. */
export function slugOf(title) {
  return title
    .replace(/\[(.*?)\]\(.*?\)/g, '$1')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_\- ]/gu, '')
    .replaceAll(' ', '-')
}

export function titleOf(text) {
  return (/^# (.+)$/m.exec(text)?.[1] ?? '').replace(/[`*]/g, '')
}

/** Calls `rewrite` with each link of a page, as a path from the root of the repository with its anchor. */
export function withLinks(text, source, rewrite) {
  return outsideOfCode(text, (part) =>
    part.replace(LINK, (whole, before, link, after) => {
      if (/^[a-z]+:/.test(link)) return whole
      const [path, anchor = ''] = link.split(/(?=#)/)
      const target = path?.startsWith('#') ? source : posix.join(posix.dirname(source), path)
      return `${before}${rewrite(target, path?.startsWith('#') ? path : anchor)}${after}`
    }),
  )
}

function outsideOfCode(text, change) {
  let at = 0
  let changed = ''
  for (const { index, 0: block } of text.matchAll(FENCE)) {
    changed += change(text.slice(at, index)) + block
    at = index + block.length
  }
  return changed + change(text.slice(at))
}
