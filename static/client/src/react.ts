// Hooks for React 18 and 19.

import { createContext, createElement, useCallback, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore, type ReactNode } from 'react'
import { describeSync, openDocument, Tutti, TuttiError } from './index.js'
import type { Access, ChatMessage, DocumentSync, HistoryEntry, Options, PayloadOf, Presence, PresenceOf, Present, Room, RoomOptions, Saved, SharedDocument, State, SyncState, YProvider } from './index.js'

const Context = createContext<{ tutti: Tutti, token: Options['token'] } | null>(null)

/** Connects while it is mounted. `token` is read once: pass a function that fetches one. */
export function TuttiProvider ({ url = '/ws', token, children }: { url?: string | URL, token: Options['token'], children?: ReactNode }) {
  const [given] = useState(() => ({ tutti: new Tutti(url, { token }), token }))
  useEffect(() => {
    given.tutti.open()
    return () => given.tutti.close()
  }, [given])
  return createElement(Context.Provider, { value: given }, children)
}

function useGiven () {
  const given = useContext(Context)
  if (!given) throw new Error('a component that uses Tutti must be inside <TuttiProvider>')
  return given
}

/** The client, for what no hook does. */
export const useTutti = <App = object>(): Tutti<App> => useGiven().tutti as unknown as Tutti<App>

/** The state of the connection. */
export function useConnection (): State {
  const { tutti } = useGiven()
  return useSyncExternalStore(useCallback((changed: () => void) => tutti.on('state', changed), [tutti]), () => tutti.getState(), () => tutti.getState())
}

/** How many components are in a room, by client and name: the last one leaves it. */
const holders = new WeakMap<Tutti, Map<string, number>>()

function hold (tutti: Tutti, name: string, options: RoomOptions): Room {
  const counts = holders.get(tutti) ?? new Map<string, number>()
  holders.set(tutti, counts.set(name, (counts.get(name) ?? 0) + 1))
  return tutti.room(name, options)
}

function release (tutti: Tutti, name: string): void {
  const counts = holders.get(tutti)
  const left = (counts?.get(name) ?? 1) - 1
  counts?.set(name, left)
  // Another component, or the same one again in StrictMode, may enter in this very turn.
  queueMicrotask(() => { if (counts?.get(name) === 0) tutti.room(name).leave() })
}

export interface RoomState<App = object> {
  /** Null until the component is mounted. */
  room: Room<App> | null
  isJoined: boolean
  access: Access | null
  /** Why the room cannot be entered. */
  error: TuttiError | null
}

/** Enters a room while the component is mounted. Components that use one name share the room. */
export function useRoom<App = object> (name: string, options: RoomOptions = {}): RoomState<App> {
  const { tutti } = useGiven()
  const [state, setState] = useState<RoomState<App>>({ room: null, isJoined: false, access: null, error: null })
  const given = useRef(options)
  useEffect(() => {
    const room = hold(tutti, name, given.current) as unknown as Room<App>
    const show = (error: TuttiError | null = null) => setState({ room, isJoined: room.isJoined, access: room.access, error })
    const events: Room = room as unknown as Room
    const stops = [
      events.on('joined', () => show()), events.on('access', () => show()), events.on('error', show),
      events.on('evicted', ({ reason }) => show(new TuttiError('evicted', reason, { room: name }))), tutti.on('state', () => show())
    ]
    show()
    return () => {
      for (const stop of stops) stop()
      release(tutti, name)
    }
  }, [tutti, name])
  return state
}

/** Keeps the events of a room in step with a value that is read anew at each of them. */
function useOfRoom<T> (room: Room | null, types: readonly ('presence' | 'typing' | 'joined')[], read: (room: Room) => T, none: T): T {
  const [value, setValue] = useState(none)
  useEffect(() => {
    if (!room) return
    const show = () => setValue(read(room))
    const stops = types.map((type) => room.on(type, show))
    show()
    return () => { for (const stop of stops) stop() }
  }, [room])
  return value
}

export interface Messages<App = object> {
  /** In order, the oldest first. */
  messages: ChatMessage<PayloadOf<App>>[]
  isLoading: boolean
  error: TuttiError | null
  /** Resolves when the message is committed. */
  send (text: string, options?: { payload?: PayloadOf<App>, key?: string }): Promise<Saved>
}

const messageOf = ({ seq, author, at, body }: HistoryEntry, room: string): ChatMessage => {
  const { text, payload, name, erased } = body as { text: string, payload?: unknown, name?: string, erased?: true }
  return { room, seq, user: author, name: name ?? author, timestamp: at, text, payload, ...(erased && { erased }) }
}

/** The last `limit` messages of a room, and all that come while the component is mounted. */
export function useMessages<App = object> (name: string, { limit = 50 }: { limit?: number } = {}): Messages<App> {
  const { room } = useRoom(name)
  const [state, setState] = useState<{ messages: ChatMessage[], isLoading: boolean, error: TuttiError | null }>({ messages: [], isLoading: true, error: null })
  useEffect(() => {
    if (!room) return
    let isOver = false
    const add = (more: ChatMessage[]) => setState(({ messages }) => {
      const bySeq = new Map([...messages, ...more].map((message) => [message.seq, message]))
      return { messages: [...bySeq.values()].sort((a, b) => a.seq - b.seq), isLoading: false, error: null }
    })
    // What was asked for before may say what is erased by now.
    let asked = 0
    const load = (before: number) => {
      const own = ++asked
      return room.history({ before, limit, kind: 'message' }).then(
        ({ entries }) => { if (!isOver && own === asked) add(entries.map((entry) => messageOf(entry, name))) },
        (error: TuttiError) => { if (!isOver && own === asked) setState((state) => ({ ...state, isLoading: false, error })) })
    }
    const reset = () => setState({ messages: [], isLoading: true, error: null })
    reset()
    const stops = [
      room.on('message', (message) => add([message])), room.on('gap', ({ seq }) => load(seq + 1)),
      room.on('erased', ({ seq, said }) => {
        if (!said) return
        reset()
        void load(seq + 1)
      })
    ]
    room.joined().then(() => { if (!isOver) load((room.seq ?? 0) + 1) }, (error: TuttiError) => setState({ messages: [], isLoading: false, error }))
    return () => {
      isOver = true
      for (const stop of stops) stop()
    }
  }, [room, name, limit])
  const send = useCallback<Messages<App>['send']>((text, options) => room
    ? room.send(text, options)
    : Promise.reject(new TuttiError('closed', 'the room is not entered yet', { temporary: true })), [room])
  return { ...state as Omit<Messages<App>, 'send'>, send }
}

export interface PresenceHere<App = object> {
  users: Present<PresenceOf<App>>[]
  count: number
  /** Too many are here for names. */
  isCapped: boolean
}

/** Who is in a room. `mine` is what the others see of this user; change it as often as you like. */
export function usePresence<App = object> (name: string, mine?: PresenceOf<App>): PresenceHere<App> {
  const { room } = useRoom(name)
  const told = JSON.stringify(mine)
  useEffect(() => { if (room && told !== undefined) room.presence.set(JSON.parse(told)) }, [room, told])
  return useOfRoom(room, ['presence', 'joined'], ({ presence }) => hereOf<App>(presence as Presence<PresenceOf<App>>), { users: [], count: 0, isCapped: false })
}

const hereOf = <App>({ users, count, isCapped }: Presence<PresenceOf<App>>): PresenceHere<App> => ({ users: [...users.values()], count, isCapped })

export interface Typing {
  /** The others who type now. */
  typists: { user: string, name: string }[]
  /** Call it at each key. */
  typing (isTyping?: boolean): void
}

/** Who types in a room. */
export function useTyping (name: string): Typing {
  const { tutti } = useGiven()
  const { room } = useRoom(name)
  const typists = useOfRoom(room, ['typing'],
    (room) => [...room.typists].filter(([user]) => user !== tutti.userId).map(([user, name]) => ({ user, name })), [] as Typing['typists'])
  const typing = useCallback((isTyping?: boolean) => { room?.typing(isTyping) }, [room])
  return { typists, typing }
}

const NOTHING: SyncState = { connection: 'connecting', isSaved: true, unsavedSinceMs: null, access: null, reason: '' }

/** How a document stands: its connection, what is saved, and that in words (`text`). Takes what `useDocument` or `watch…Provider` gives. */
export function useSaved (sync: DocumentSync | null | undefined): SyncState & { text: string, mayWrite: boolean } {
  const state = useSyncExternalStore(
    useCallback((changed: () => void) => sync?.on('change', changed) ?? (() => {}), [sync]), () => sync?.state ?? NOTHING, () => NOTHING)
  const [, tick] = useState(0)
  useEffect(() => {
    if (state.isSaved) return
    const timer = setInterval(() => tick((count) => count + 1), 1_000)
    return () => clearInterval(timer)
  }, [state.isSaved])
  const mayWrite = state.connection !== 'closed' && (state.access === 'write' || state.access === 'admin')
  return { ...state, text: describeSync(state), mayWrite }
}

export interface UseDocumentOptions<Doc, Provider> {
  /** Of `/yjs`. */
  url?: string | URL
  /** `Y.Doc`. */
  Doc: new () => Doc
  /** That of y-websocket 3. */
  WebsocketProvider: new (url: string, room: string, doc: Doc, options: object) => Provider
}

/** Opens a room's document over y-websocket while the component is mounted; null until then. */
export function useDocument<Doc extends { destroy (): void }, Provider extends YProvider> (
  name: string, { url, Doc, WebsocketProvider }: UseDocumentOptions<Doc, Provider>
): SharedDocument<Doc, Provider> | null {
  const { token } = useGiven()
  const { room } = useRoom(name)
  const [document, setDocument] = useState<SharedDocument<Doc, Provider> | null>(null)
  const classes = useMemo(() => ({ Doc, WebsocketProvider }), [])
  useEffect(() => {
    if (!room) return
    const opened = openDocument({ url, room: name, doc: new classes.Doc(), token, WebsocketProvider: classes.WebsocketProvider })
    const stop = opened.sync.takeAccess(room)
    setDocument(opened)
    return () => {
      stop()
      opened.close()
      opened.doc.destroy()
      setDocument(null)
    }
  }, [room, name, url, token, classes])
  return document
}
