// #region page
import * as Y from 'yjs'
import { WebsocketProvider } from 'y-websocket'
import { yCollab } from 'y-codemirror.next'
import { EditorState } from '@codemirror/state'
import { EditorView } from '@codemirror/view'

const token = await fetchToken() // from your back end
const doc = new Y.Doc()
const text = doc.getText('content')
const provider = new WebsocketProvider('ws://127.0.0.1:8080/yjs', 'docs/plan', doc, {
  protocols: ['tutti.v1', `auth.${token}`]
})
provider.awareness.setLocalStateField('user', { name: 'Alice', color: '#30bced' })
const state = EditorState.create({ doc: text.toString(), extensions: [yCollab(text, provider.awareness)] })
new EditorView({ state, parent: document.body })
// #endregion
