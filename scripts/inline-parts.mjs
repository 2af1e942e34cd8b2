/**
 * For the build for production: `parts.known.record` in the place of a `known` that each function takes out of `parts`,
 * which is for readers. Minified, that `known` is another letter in every function, and nothing is said in the same words
 * twice: it costs a compressed core 0.55 kB.
 *
 * Only where it is the same: the members of these objects never change, whenever they are read.
 */
import { relative } from 'node:path'
import { programOf } from './internal-names.mjs'

/** Types of such objects. */
const STABLE = ['Parts', 'Concerned', 'Settings']

/**
 * @param ts the compiler
 * @param root of the repository
 * @param entries source files that users import, from the root
 * @returns the new texts of the files that become others, by their paths, with slashes
 */
export function inlineParts(ts, root, entries) {
  const program = programOf(ts, root, entries)
  const texts = new Map()
  for (const source of program.getSourceFiles()) {
    if (!relative(root, source.fileName).startsWith('src')) continue
    const text = inlined(ts, program.getTypeChecker(), source)
    if (text !== source.text) texts.set(source.fileName, text)
  }
  return texts
}

function inlined(ts, checker, source) {
  /** What is read in the place of a name, by its symbol. */
  const members = new Map()
  const edits = []
  const replace = (node, text) => edits.push([node.getStart(), node.getEnd(), text])

  const typeOf = (node) => {
    const { aliasSymbol, symbol } = checker.getTypeAtLocation(node)
    return (aliasSymbol ?? symbol)?.name
  }
  const symbolOf = (name) =>
    ts.isShorthandPropertyAssignment(name.parent)
      ? checker.getShorthandAssignmentValueSymbol(name.parent)
      : checker.getSymbolAtLocation(name)
  const isStable = (node) => STABLE.includes(typeOf(node))

  /** An expression as it reads where names are replaced; undefined where it may be another object later. */
  function lasting(node) {
    if (node.kind === ts.SyntaxKind.ThisKeyword) return 'this'
    if (ts.isPropertyAccessExpression(node) && isStable(node)) {
      const base = lasting(node.expression)
      return base && `${base}.${node.name.getText()}`
    }
    if (!ts.isIdentifier(node)) return undefined
    const symbol = checker.getSymbolAtLocation(node)
    const [declaration] = symbol.declarations
    const isConstant =
      ts.isParameter(declaration) ||
      (ts.isVariableDeclaration(declaration) && declaration.parent.flags & ts.NodeFlags.Const)
    return members.get(symbol) ?? (isConstant ? node.text : undefined)
  }

  /** Not what is called, which would get the object as its `this`, nor where `this` is another one. */
  function canInline(name, base) {
    const symbol = checker.getSymbolAtLocation(name)
    const scope = ts.findAncestor(name, ts.isFunctionLike) ?? source
    const isBound = (node) => node !== scope && ts.isFunctionLike(node) && !ts.isArrowFunction(node)
    const hinders = (node, inside) => {
      const isIt = ts.isIdentifier(node) && symbolOf(node) === symbol
      if (isIt && (inside || (ts.isCallExpression(node.parent) && node.parent.expression === node)))
        return true
      return ts.forEachChild(node, (child) =>
        hinders(child, inside || (base.startsWith('this') && isBound(node))),
      )
    }
    return !hinders(scope, false)
  }

  /** Takes out of a pattern what can be inlined. Returns the elements that stay. */
  function take(pattern, base) {
    if (pattern.elements.some(({ dotDotDotToken }) => dotDotDotToken)) return pattern.elements
    return pattern.elements.filter(({ name, propertyName = name, initializer }) => {
      const member = `${base}.${propertyName.getText()}`
      if (initializer) return true
      if (ts.isObjectBindingPattern(name)) return !isStable(name) || !takeAll(name, member)
      if (!canInline(name, base)) return true
      members.set(checker.getSymbolAtLocation(name), member)
      return false
    })
  }

  /** Takes all of it, or nothing. Returns whether nothing stays. */
  function takeAll(pattern, base) {
    const before = [...members]
    if (take(pattern, base).length === 0) return true
    members.clear()
    for (const [symbol, member] of before) members.set(symbol, member)
    return false
  }

  function visitDeclarations(node) {
    if (ts.isVariableStatement(node) && node.declarationList.declarations.length === 1) {
      const [{ name, initializer }] = node.declarationList.declarations
      const isPattern = ts.isObjectBindingPattern(name) && initializer && isStable(initializer)
      const base = isPattern && lasting(initializer)
      if (base) {
        const left = take(name, base).map((element) => element.getText())
        replace(node, left.length > 0 ? `const { ${left.join(', ')} } = ${base}` : '')
        return
      }
    }
    if (ts.isParameter(node) && ts.isObjectBindingPattern(node.name) && !node.initializer && isStable(node)) {
      const base = typeOf(node) === 'Settings' ? 'settings' : 'parts'
      const isFree = !new RegExp(`(?<!\\.)\\b${base}\\b`).test(node.parent.getText())
      if (isFree && takeAll(node.name, base)) {
        replace(node.name, base)
        return
      }
    }
    ts.forEachChild(node, visitDeclarations)
  }

  function visitReferences(node) {
    if (edits.some(([start, end]) => node.getStart() >= start && node.getEnd() <= end)) return
    if (ts.isIdentifier(node)) {
      const member = members.get(symbolOf(node))
      const isShort = ts.isShorthandPropertyAssignment(node.parent)
      if (member) replace(node, isShort ? `${node.text}: ${member}` : member)
    }
    ts.forEachChild(node, visitReferences)
  }

  visitDeclarations(source)
  visitReferences(source)
  return edits
    .sort(([a], [b]) => b - a)
    .reduce((text, [start, end, by]) => text.slice(0, start) + by + text.slice(end), source.text)
}
