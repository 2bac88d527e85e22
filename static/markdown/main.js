// The page with Markdown in CodeMirror, over npm's y-websocket.

import { startPage } from '../page/start.js'
import { openEditor } from './editor.js'
import code from '../../examples/codemirror/main.js?region=page'

startPage({ prefix: '', path: '/d/', root: 'content', protocol: 'y-websocket, at /yjs', openEditor, code })
