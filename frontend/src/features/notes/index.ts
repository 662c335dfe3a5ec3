import { NotebookPen } from '@lucide/vue'
import { defineFeature } from '../registry'
import { unsentNotes } from './unsent'

/** Notes that many people edit at once. Yjs and the editor are loaded with the panel. */
export default defineFeature({
  name: 'notes',
  about: () => import('./about'),
  rows: { note: () => import('./NoteRow.vue') },
  outgoing: { 'note.create': () => import('./WaitingNote.vue') },
  composer: [{ id: 'note', label: 'notes.new', icon: NotebookPen, dialog: () => import('./NewNote.vue') }],
  panels: [{ id: 'notes', title: 'notes.title', icon: NotebookPen, component: () => import('./NotesPanel.vue') }],
  start(socket, me) {
    // Not before notes are known to be on.
    const resume = ({ features }: { features: string[] }) => {
      if (features.includes('notes') && unsentNotes().length) void import('./sessions').then(({ resumeNotes }) => resumeNotes(me))
    }
    socket.on('hello', resume)
    socket.on('features.updated', resume)
  },
  live: { 'note.cursor': () => undefined },
})
