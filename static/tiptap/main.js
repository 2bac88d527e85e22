// The page with rich text in Tiptap, over npm's Hocuspocus provider.

import { startPage } from '../page/start.js'
import { openEditor } from './editor.js'
import code from '../../examples/react-tiptap/src/Editor.jsx?region=page'

startPage({ prefix: 'tiptap/', path: '/tiptap/', root: 'default', protocol: 'Hocuspocus, at /hocuspocus', openEditor, code })
