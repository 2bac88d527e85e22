// The npm packages of the client tests, at their files: Node looks for packages in the folders above this one, and a second
// installation would bring a second Yjs, whose documents are not those of the providers.

export * as Y from '../clients/node_modules/yjs/dist/yjs.mjs'
export { default as pg } from '../clients/node_modules/pg/esm/index.mjs'
