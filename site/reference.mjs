/** The reference of what each entry point exports, from the docstrings: one page for each. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Application, Converter } from 'typedoc'

const root = new URL('../', import.meta.url)
const { name: product, exports } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))

/** `refresh-once/axios` and the file that it is made of, for each entry point. */
export const ENTRIES = Object.entries(exports).flatMap(([subpath, { types }]) =>
  types
    ? [
        {
          name: product + subpath.slice(1),
          file: types.replace('./dist/', 'src/').replace('.d.ts', '.ts'),
        },
      ]
    : [],
)

/** The pages of the reference, for the sidebar. */
export const REFERENCE = ENTRIES.map(({ name }) => ({ text: name, link: `/reference/${name}` }))

/** @param folder a URL that ends with a slash */
export async function makeReference(folder) {
  const app = await Application.bootstrapWithPlugins({
    name: 'Reference',
    plugin: ['typedoc-plugin-markdown'],
    tsconfig: fileURLToPath(new URL('tsconfig.build.json', root)),
    entryPoints: ENTRIES.map(({ file }) => fileURLToPath(new URL(file, root))),
    out: fileURLToPath(folder),
    outputFileStrategy: 'modules',
    readme: 'none',
    logLevel: 'Error',
    disableSources: true,
    excludePrivate: true,
    excludeExternals: true,
    // Checked by `npm run types`.
    skipErrorChecking: true,
    hideBreadcrumbs: true,
    hidePageHeader: true,
    useCodeBlocks: true,
    parametersFormat: 'table',
    classPropertiesFormat: 'table',
    interfacePropertiesFormat: 'table',
    typeDeclarationFormat: 'table',
    blockTags: ['@param', '@returns', '@throws', '@example', '@default', '@alias'],
  })
  // Modules are named by what users import.
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (_context, reflection) => {
    const entry = ENTRIES.find(
      ({ file }) => file === `src/${reflection.name}.ts` || file === `src/${reflection.name}/index.ts`,
    )
    if (entry && reflection.parent?.isProject()) reflection.name = entry.name
  })
  const project = await app.convert()
  if (!project) throw new Error('The reference could not be made; the output above says why.')
  await app.generateOutputs(project)
}
