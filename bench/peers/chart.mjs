/**
 * Draws lines over a logarithmic axis as an SVG, one panel beside the other. Colours are told apart by their dashes, too.
 *
 * @param panels `{ title, unit, lines: [{ name, dashed?, colour, points: [[x, y], …] }] }`
 */
export function chart(panels) {
  const [width, height, left, top, bottom] = [380, 260, 56, 40, 64]
  const drawn = panels.map(({ title, unit, lines }, index) => {
    const points = lines.flatMap((line) => line.points)
    const [from, to] = [Math.min(...points.map(([x]) => x)), Math.max(...points.map(([x]) => x))]
    const most = ceiling(Math.max(...points.map(([, y]) => y)))
    const x = (value) => left + (Math.log(value / from) / Math.log(to / from)) * (width - left - 20)
    const y = (value) => top + (1 - value / most) * (height - top - bottom)
    const grid = [0, 0.25, 0.5, 0.75, 1].map((part) => {
      const at = y(part * most).toFixed(1)
      return `<path d="M${left} ${at}H${width - 20}" class="grid"/><text x="${left - 6}" y="${at}" dy="4" text-anchor="end">${part * most}</text>`
    })
    const xs = [...new Set(points.map(([value]) => value))].map(
      (value) =>
        `<text x="${x(value).toFixed(1)}" y="${height - bottom + 18}" text-anchor="middle">${short(value)}</text>`,
    )
    const paths = lines.map(({ colour, dashed, points }) => {
      const path = points.map(([px, py]) => `${x(px).toFixed(1)} ${y(py).toFixed(1)}`).join('L')
      return `<path d="M${path}" fill="none" stroke="${colour}" stroke-width="2"${dashed ? ' stroke-dasharray="5 4"' : ''}/>`
    })
    const legend = lines.map(({ name, colour, dashed }, row) => {
      const [lx, ly] = [left + (row % 2) * 160, height - 26 + Math.floor(row / 2) * 16]
      return `<path d="M${lx} ${ly - 4}h24" stroke="${colour}" stroke-width="2"${dashed ? ' stroke-dasharray="5 4"' : ''}/><text x="${lx + 30}" y="${ly}">${name}</text>`
    })
    return `<g transform="translate(${index * width} 0)"><text x="${left}" y="20" class="title">${title}, ${unit}</text>${[...grid, ...xs, ...paths, ...legend].join('')}</g>`
  })
  const style =
    'text{font:11px system-ui,sans-serif;fill:#333}.title{font-weight:600;font-size:13px}.grid{stroke:#ddd;fill:none}svg{background:#fff}'
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${panels.length * width} ${height}" role="img"><title>${panels.map(({ title }) => title).join('; ')}</title><style>${style}</style><rect width="100%" height="100%" fill="#fff"/>${drawn.join('\n')}</svg>\n`
}

const short = (value) =>
  value >= 1e6 ? `${value / 1e6} M` : value >= 1e3 ? `${value / 1e3} k` : String(value)

/** The next of 1, 2, 4, 8 times a power of ten. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 4, 8, 10].map((step) => step * power).find((step) => step >= value)
}
