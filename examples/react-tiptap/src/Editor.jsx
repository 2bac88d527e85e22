// #region page
import { HocuspocusProvider } from '@hocuspocus/provider'
import Collaboration from '@tiptap/extension-collaboration'
import CollaborationCaret from '@tiptap/extension-collaboration-caret'
import { EditorContent, useEditor } from '@tiptap/react'
import StarterKit from '@tiptap/starter-kit'
import { useEffect, useState } from 'react'
import { watchHocuspocusProvider } from 'tutti'
import { useSaved } from 'tutti/react'

export function Editor ({ url, room, user, fetchToken }) {
  const [open, setOpen] = useState(null)
  useEffect(() => {
    const provider = new HocuspocusProvider({ url, name: room, token: fetchToken })
    const sync = watchHocuspocusProvider(provider)
    setOpen({ provider, sync })
    return () => {
      sync.stop()
      provider.destroy()
    }
  }, [url, room])
  return open && <Text {...open} user={user} />
}

function Text ({ provider, sync, user }) {
  const { text, mayWrite } = useSaved(sync) // "Saved": committed in the database
  const editor = useEditor({
    extensions: [
      StarterKit.configure({ undoRedo: false }), // the shared document has its own history
      Collaboration.configure({ document: provider.document }),
      CollaborationCaret.configure({ provider, user: { name: user, color: '#2f6fb0' } })
    ]
  }, [provider])
  useEffect(() => { editor?.setEditable(mayWrite) }, [editor, mayWrite])
  return <section><p data-testid="saved">{text}</p><EditorContent editor={editor} /></section>
}
// #endregion
