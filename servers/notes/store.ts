/** One note, as tools and resources show it. */
export interface Note {
  readonly id: string
  readonly title: string
  readonly text: string
  readonly format: 'md' | 'text'
  readonly workspace: string
  /** ISO 8601. */
  readonly createdAt: string
}

/** What makes a note; the rest is given by the store. */
export interface NewNote {
  readonly title: string
  readonly text: string
  readonly format?: Note['format'] | undefined
  readonly workspace?: string | undefined
}

/** Notes of one process: gone when it ends. */
export interface NoteStore {
  add(note: NewNote, createdAt: string): Note
  get(id: string): Note | undefined
  /** Newest first. */
  list(workspace?: string): readonly Note[]
  search(query: string, workspace?: string): readonly Note[]
  remove(id: string): boolean
}

const MAX_NOTES = 10_000

const SEED: readonly NewNote[] = [
  { title: 'Welcome', text: 'These notes live in memory. They are gone when the server stops.', workspace: 'general' },
  {
    title: 'Vendor shortlist',
    text: '# Vendors\n\n- Northwind: fast, no EU region\n- Contoso: EU region, slower',
    workspace: 'research',
  },
  { title: 'Refund policy', text: 'Refunds within 30 days, by ticket, with the order number.', workspace: 'support' },
]

/** Makes a store with a few notes in it, so that a first search finds something. */
export function createNoteStore(startedAt: string): NoteStore {
  const notes = new Map<string, Note>()
  let last = 0

  const store: NoteStore = {
    add({ title, text, format = 'md', workspace = 'general' }, createdAt) {
      if (notes.size >= MAX_NOTES) throw new Error(`there are ${MAX_NOTES} notes already; delete some first`)
      const note: Note = { id: `n${++last}`, title, text, format, workspace, createdAt }
      notes.set(note.id, note)
      return note
    },
    get: (id) => notes.get(id),
    list: (workspace) =>
      [...notes.values()].filter((note) => workspace === undefined || note.workspace === workspace).toReversed(),
    search(query, workspace) {
      const words = query.toLowerCase().split(/\s+/).filter(Boolean)
      return store.list(workspace).filter(({ title, text }) => {
        const haystack = `${title}\n${text}`.toLowerCase()
        return words.every((word) => haystack.includes(word))
      })
    },
    remove: (id) => notes.delete(id),
  }
  for (const note of SEED) store.add(note, startedAt)
  return store
}
