import { Paperclip } from '@lucide/vue'
import { useConnection } from '../../stores/connection'
import { defineFeature } from '../registry'
import { attachedIn, namesOf, pending, taken } from './pending'

const button = () => import('./AttachButton.vue')
const shown = () => import('./MessageFiles.vue')
const strip = () => import('./UploadStrip.vue')

/** Files in messages. */
export default defineFeature({
  name: 'files',
  about: () => import('./about'),
  composerButton: { component: button },
  composerTop: { component: strip, when: (room) => pending.has(room) },
  room: { component: () => import('./DropArea.vue') },
  panels: [{ id: 'files', title: 'files.title', icon: Paperclip, component: () => import('./FilesPanel.vue') }],
  messageParts: { files: { component: shown, summary: namesOf } },
  attached: attachedIn,
  messageFields: taken,
  // Before the first message that has one, which would be drawn later than its text; and for a composer without a connection.
  start: (socket) => socket.on('joined', () => useConnection().hello?.features?.includes('files') && void Promise.allSettled([shown(), strip()])),
})
