export type StateName = 'idle' | 'connecting' | 'online' | 'offline' | 'closed';
export type State = {
    state: StateName;
    /**
     * The close code that led here; 0 if there was none.
     */
    code?: number;
    /**
     * For people.
     */
    reason?: string;
    retryInMs?: number;
};
export type Token = string | null | undefined;
export type Options = {
    /**
     * A function is asked at each connecting and before the token runs out.
     */
    token: Token | (() => Token | Promise<Token>);
    /**
     * For Node.js without one of its own: that of npm's `ws`.
     */
    WebSocket?: new (url: string, protocols?: string[]) => any;
    /**
     * Requests that may wait for their acknowledgement, 1,000; further ones are rejected.
     */
    queueMax?: number;
    /**
     * The same in bytes of JSON, 4 MiB.
     */
    queueBytesMax?: number;
    /**
     * More than this in the socket's buffer, and requests wait, signals are dropped. 256 KiB.
     */
    bufferedBytesMax?: number;
};
export type Saved = {
    seq: number;
    timestamp: string;
};
export type Stamp = {
    user: string;
    name: string;
    timestamp: string;
};
export type ChatMessage = Stamp & {
    room: string;
    seq: number;
    text: string;
    payload?: any;
};
export type AppEvent = Stamp & {
    type: string;
    room: string;
    payload?: any;
    seq?: number;
    ephemeral?: boolean;
};
export type DirectMessage = Stamp & {
    to: string;
    payload: any;
};
export type Present = {
    user: string;
    name: string;
    sockets: number;
    state?: any;
};
export type PresenceChange = {
    count: number;
    joins: Present[];
    updates: Present[];
    leaves: Present[];
};
export type Steps = Stamp & {
    room: string;
    seq: number;
    version: number;
    steps: any[];
    clientIds: (string | number)[];
};
export type Edit = {
    room: string;
    user: string;
    timestamp: string;
    seq: number;
    update: Uint8Array;
};
export type PushAccepted = {
    seq: number;
    version: number;
    timestamp: string;
    accepted: true;
};
export type PushRejected = {
    version: number;
    since: number;
    steps: any[];
    clientIds: (string | number)[];
    accepted: false;
};
export type Joined = {
    seq: number;
    access: string;
    recovered: boolean;
    members: Present[];
    version?: number;
};
export type Gap = {
    since: number;
    seq: number;
};
export type HistoryEntry = {
    seq: number;
    kind: string;
    author: string;
    at: string;
    body?: any;
};
export type HistoryQuery = {
    after?: number;
    before?: number;
    limit?: number;
    kind?: string;
    author?: string;
};
export type TuttiEvents = {
    state: State;
    direct: DirectMessage;
    /**
     * The token runs out soon; with a token function it is renewed by itself.
     */
    expiring: {
        expiresAt: string;
    };
    /**
     * The server is about to restart; the client comes back by itself.
     */
    draining: {};
    /**
     * What no promise tells: a refused signal, a room that cannot be joined, a token that could not be had.
     */
    error: TuttiError;
};
export type RoomEvents = {
    message: ChatMessage;
    event: AppEvent;
    steps: Steps;
    edit: Edit;
    presence: PresenceChange;
    joined: Joined;
    gap: Gap;
    typing: {
        user: string;
        name: string;
        typing: boolean;
    };
    bytes: {
        user: string;
        bytes: Uint8Array;
    };
    access: {
        access: string;
    };
    evicted: {
        reason: string;
    };
    error: TuttiError;
} & {
    [type: `${string}.${string}`]: AppEvent;
};
/** A refusal by the server, or by the client itself: `queue_full`, `too_large`, `closed`, `connection_lost`, `evicted`, `left`. */
export declare class TuttiError extends Error {
    code: string;
    /** The same may work later. */
    temporary: boolean;
    retryAfterMs: number | undefined;
    room: string | undefined;
    name: string;
    /**
     * @param {string} code @param {string} message
     * @param {{ temporary?: boolean, retryAfterMs?: number, room?: string }} [more]
     */
    constructor(code: string, message: string, { temporary, retryAfterMs, room }?: {
        temporary?: boolean;
        retryAfterMs?: number;
        room?: string;
    });
}
/** @template {Record<string, any>} Events */
declare class Emitter<Events extends Record<string, any>> {
    #private;
    /**
     * @template {keyof Events} T
     * @param {T} type @param {(event: Events[T]) => void} listener
     * @returns {() => void} Takes the listener away again.
     */
    on<T extends keyof Events>(type: T, listener: (event: Events[T]) => void): () => void;
    /** @template {keyof Events} T @param {T} type @param {(event: Events[T]) => void} listener */
    off<T extends keyof Events>(type: T, listener: (event: Events[T]) => void): void;
}
/** Who is in a room, by user. A `presence` event of the room tells each change. */
export declare class Presence {
    #private;
    /** By user id; empty if the room is too large for names. @type {ReadonlyMap<string, Present>} */
    users: ReadonlyMap<string, Present>;
    count: number;
    /** Too many are here: only their number is known. */
    isCapped: boolean;
    /** What others see beside the name: a small object, at most 4 KiB of JSON. Sent at most every 100 ms, and again after each return. */
    set(state: any): void;
}
/** A room that this client is in, or is about to be in again. @extends {Emitter<RoomEvents>} */
export declare class Room extends Emitter<RoomEvents> {
    #private;
    /** @type {string} @readonly */ readonly name: string;
    /** @type {Presence} @readonly */ readonly presence: Presence;
    /** Who types now: names by user id. @type {Map<string, string>} */
    typists: Map<string, string>;
    isJoined: boolean;
    /** `read`, `write` or `admin`; null before the first join. @type {string | null} */
    access: string | null;
    /** The last entry that was seen, or was there at the first join. @type {number | null} */
    seq: number | null;
    /** The head of the steps at the last join. @type {number | undefined} */
    version: number | undefined;
    /** Resolves when this client is in the room; rejects when it may not be. @returns {Promise<Room>} */
    joined(): Promise<Room>;
    /**
     * A message for all. Resolves when it is committed. Sent without a connection it waits for one; sent twice with one key it is stored once.
     * @param {string} text @param {{ payload?: any, key?: string }} [options] @returns {Promise<Saved>}
     */
    send(text: string, { payload, key }?: {
        payload?: any;
        key?: string;
    }): Promise<Saved>;
    /**
     * An app event, such as `order.updated`: stored, and acknowledged like a message.
     * @param {`${string}.${string}`} type @param {any} [payload] @param {{ key?: string }} [options] @returns {Promise<Saved>}
     */
    publish(type: `${string}.${string}`, payload?: any, { key }?: {
        key?: string;
    }): Promise<Saved>;
    /**
     * An app event for those who are here now: not stored, not repeated.
     * @param {`${string}.${string}`} type @param {any} [payload] @returns {boolean} Whether it was sent.
     */
    signal(type: `${string}.${string}`, payload?: any): boolean;
    /** Bytes for those who are here now, such as drawing or voice. @param {Uint8Array} bytes @returns {boolean} Whether they were sent. */
    signalBytes(bytes: Uint8Array): boolean;
    /** Call it at each key: others learn it once, and the end by itself. `typing(false)` ends it at once, and so does `send`. */
    typing(isTyping?: boolean): void;
    /**
     * Steps of prosemirror-collab or updates of @codemirror/collab, made on `version`. Rejected is a normal answer: apply what came between, try again.
     * After a lost connection these very steps may be among those: what is sent twice is no longer made on the newest version.
     * @param {number} version @param {any[]} steps @param {string | number} clientId
     * @returns {Promise<PushAccepted | PushRejected>}
     */
    push(version: number, steps: any[], clientId: string | number): Promise<PushAccepted | PushRejected>;
    /**
     * The steps after `version`, at most 1,000 at a time: `version` of the answer is the head.
     * @param {number} version @returns {Promise<PushRejected>}
     */
    stepsSince(version: number): Promise<PushRejected>;
    /**
     * A page of the timeline, by REST. @param {HistoryQuery} [query] As the REST API takes it.
     * @returns {Promise<{ entries: HistoryEntry[], next: number | null }>}
     */
    history(query?: HistoryQuery): Promise<{
        entries: HistoryEntry[];
        next: number | null;
    }>;
    /** For good; what still waited is rejected. `tutti.room(name)` makes a new one. */
    leave(): void;
}
/** A connection to a server, with its rooms. @extends {Emitter<TuttiEvents>} */
export declare class Tutti extends Emitter<TuttiEvents> {
    #private;
    /** The token's user, once online. @type {string | undefined} */
    userId: string | undefined;
    /** @type {string | undefined} */
    userName: string | undefined;
    /** @param {string | URL} url Of `/ws`; a page may leave out the server: its own. @param {Options} options */
    constructor(url: string | URL, options: Options);
    /** @returns {State} */
    getState(): State;
    /** The server's name for this connection. @returns {string | undefined} */
    get clientId(): string | undefined;
    /** Bytes that were sent and have not left this machine. @returns {number} */
    get bufferedAmount(): number;
    /** Connects; `connect()` has done it. After `closed`, begins again, with the same rooms. */
    open(): void;
    /** Ends the connection for good. What is not acknowledged is rejected. */
    close(): void;
    /**
     * Enters a room: at once, and again after each return. The same name gives the same room until it is left.
     * @param {string} name
     * @param {{ since?: number, edits?: boolean }} [options]
     *   `since`: show first what came after this entry (0: all); without it, only what comes from now on. `edits`: show the document's edits, too.
     * @returns {Room}
     */
    room(name: string, options?: {
        since?: number;
        edits?: boolean;
    }): Room;
    /**
     * A message to all sockets of a user. Resolves with how many there were. Not stored: what is lost with the connection is rejected.
     * @param {string} to @param {any} payload @returns {Promise<{ sockets: number }>}
     */
    direct(to: string, payload: any): Promise<{
        sockets: number;
    }>;
    /** For apps without a token function: the token to use from now on. @param {string} token */
    setToken(token: string): void;
    /** Resolves when this client is online and all it was given has left for the server: for those who send much. @returns {Promise<void>} */
    ready(): Promise<void>;
}
/** Connects to the JSON endpoint of a server. @param {string | URL} url @param {Options} options @returns {Tutti} */
export declare function connect(url: string | URL, options: Options): Tutti;
export {};
