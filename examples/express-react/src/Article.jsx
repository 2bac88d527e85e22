import { HocuspocusProvider } from '@hocuspocus/provider'
import Collaboration from '@tiptap/extension-collaboration'
import { EditorContent, useEditor } from '@tiptap/react'
import StarterKit from '@tiptap/starter-kit'
import { useEffect, useState } from 'react'
import { watchHocuspocusProvider } from 'tutti'
import { useSaved } from 'tutti/react'

export function Article ({ url, id, fetchToken }) {
  const [open, setOpen] = useState(null)
  useEffect(() => {
    const provider = new HocuspocusProvider({ url, name: `articles/${id}`, token: fetchToken })
    const sync = watchHocuspocusProvider(provider)
    setOpen({ provider, sync })
    return () => {
      sync.stop()
      provider.destroy()
    }
  }, [url, id])
  return open && <Text {...open} />
}

function Text ({ provider, sync }) {
  const { text, mayWrite, reason } = useSaved(sync) // "Saved": committed by Tutti; the row follows by the webhook
  const editor = useEditor({
    extensions: [StarterKit.configure({ undoRedo: false }), Collaboration.configure({ document: provider.document })]
  }, [provider])
  useEffect(() => { editor?.setEditable(mayWrite) }, [editor, mayWrite])
  return <section><p data-testid="saved">{reason ? `${text}: ${reason}` : text}</p><EditorContent editor={editor} /></section>
}
