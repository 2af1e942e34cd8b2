/**
 * The names of members that only this package's own code sees: a minifier may shorten them.
 *
 * They are members of the types that are listed here. Left out are those whose names something else has, too: what users or stores
 * see, what a runtime or a client declares, what is written in quotes, and what the compiler cannot follow.
 */
import { join, relative } from 'node:path'

/** The members that have short names in the build for production. A test tells whether nobody else sees them. */
export const SHORTENED = [
  'answered',
  'become',
  'beginning',
  'begins',
  'bound',
  'brings',
  'cooldown',
  'credentialsOf',
  'empty',
  'enter',
  'events',
  'exhausted',
  'flight',
  'giveUp',
  'hard',
  'holds',
  'inJar',
  'inQuestion',
  'insist',
  'insists',
  'known',
  'lasts',
  'learns',
  'lift',
  'meet',
  'nap',
  'note',
  'observed',
  'outcome',
  'outdate',
  'partOf',
  'reading',
  'redaction',
  'refuse',
  'remark',
  'reserve',
  'restore',
  'room',
  'running',
  'saving',
  'scrub',
  'settings',
  'sign',
  'signInOf',
  'signing',
  'soft',
  'spend',
  'stubborn',
  'suspect',
  'timer',
  'validity',
  'waiting',
  'wire',
  'young',
]

/** Types whose objects never leave the core: no user, store, transport, other tab or other copy of the package gets one. */
const INTERNAL = [
  'Parts',
  'Beginning',
  'Reader',
  'Budget',
  'Concerned',
  'Cooldown',
  'Events',
  'Listeners',
  'Assembly',
  'Shown',
  'Facts',
  'Refreshing',
  'Held',
  'Span',
  'Known',
  'Look',
  'Running',
  'Flight',
  'Call',
  'Saving',
  'Signing',
  'Validity',
  'WaitingRoom',
  'Wire',
  'Landing',
  'Setback',
  'SetbackDetails',
  'Redaction',
  'Stubborn',
  'Young',
  'Failure',
  'Answered',
]

/** What the entries are made of, for the compiler. */
export function programOf(ts, root, entries) {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.build.json'), ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
  return ts.createProgram(
    entries.map((entry) => join(root, entry)),
    options,
  )
}

/**
 * Works out which names may be in the list, with the compiler.
 *
 * @param ts the compiler: the build does without
 * @param root of the repository
 * @param entries source files that users import, from the root
 * @returns the names in the order of the alphabet
 */
export function internalNames(ts, root, entries) {
  const program = programOf(ts, root, entries)
  const checker = program.getTypeChecker()
  const sources = program
    .getSourceFiles()
    .filter(({ fileName }) => relative(root, fileName).startsWith('src'))
  /** Declarations, with their names. */
  const internal = new Map()
  const found = new Set()
  for (const source of sources) {
    for (const statement of source.statements) {
      if (!(ts.isClassDeclaration(statement) || ts.isInterfaceDeclaration(statement))) continue
      if (!INTERNAL.includes(statement.name?.text)) continue
      found.add(statement.name.text)
      for (const member of statement.members) {
        if (member.name && ts.isIdentifier(member.name)) internal.set(member, member.name.text)
      }
    }
  }
  const gone = INTERNAL.filter((name) => !found.has(name))
  if (gone.length > 0) throw new Error(`scripts/internal-names.mjs: there is no ${gone.join(', ')}`)

  const isInternal = (symbol) => symbol?.declarations?.some((declaration) => internal.has(declaration))
  const isOurs = (symbol) =>
    symbol?.declarations?.some((declaration) => sources.includes(declaration.getSourceFile()))
  const shared = publicNames(
    ts,
    checker,
    entries.map((entry) => program.getSourceFile(join(root, entry))),
    isOurs,
  )
  const visit = (node) => {
    if (ts.isStringLiteralLike(node)) shared.add(node.text)
    const owner = ts.isIdentifier(node) ? ownerOf(ts, checker, node) : undefined
    if (owner && !isInternal(owner.getProperty(node.text))) shared.add(node.text)
    ts.forEachChild(node, visit)
  }
  for (const source of sources) visit(source)
  return [...new Set(internal.values())].filter((name) => !shared.has(name)).sort()
}

/** All names of members that can be come to from what the entries export. */
function publicNames(ts, checker, entries, isOurs) {
  const names = new Set()
  const seen = new Set()
  const visit = (type) => {
    if (!type || seen.has(type)) return
    seen.add(type)
    for (const part of type.types ?? []) visit(part)
    for (const argument of [...checker.getTypeArguments(type), ...(type.aliasTypeArguments ?? [])])
      visit(argument)
    for (const signature of [...type.getCallSignatures(), ...type.getConstructSignatures()]) {
      for (const parameter of signature.parameters) visit(checker.getTypeOfSymbol(parameter))
      visit(signature.getReturnType())
    }
    visit(checker.getBaseConstraintOfType(type))
    visit(type.getStringIndexType())
    for (const member of type.getProperties()) {
      names.add(member.name)
      // What the members of foreign types lead to is foreign.
      if (isOurs(member)) visit(checker.getTypeOfSymbol(member))
    }
  }
  for (const entry of entries) {
    for (const symbol of checker.getExportsOfModule(checker.getSymbolAtLocation(entry))) {
      names.add(symbol.name)
      const exported = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
      visit(checker.getDeclaredTypeOfSymbol(exported))
      visit(checker.getTypeOfSymbol(exported))
    }
  }
  return names
}

/** The type of which an identifier names a member; undefined where it names none. */
function ownerOf(ts, checker, node) {
  const { parent } = node
  if (ts.isPropertyAccessExpression(parent)) {
    if (parent.name !== node) return undefined
    return checker.getNonNullableType(checker.getTypeAtLocation(parent.expression))
  }
  if (ts.isBindingElement(parent)) {
    if (!ts.isObjectBindingPattern(parent.parent) || (parent.propertyName ?? parent.name) !== node)
      return undefined
    return checker.getNonNullableType(checker.getTypeAtLocation(parent.parent))
  }
  if (parent.name !== node) return undefined
  if (ts.isObjectLiteralElement(parent)) {
    const literal = parent.parent
    const type = checker.getContextualType(literal) ?? checker.getTypeAtLocation(literal)
    return checker.getNonNullableType(type)
  }
  if (ts.isTypeElement(parent) || ts.isClassElement(parent)) return checker.getTypeAtLocation(parent.parent)
  return undefined
}
