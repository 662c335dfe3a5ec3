import { authorOf } from '../../ui/author'
import { isolated } from '../../ui/text'
import { defineFeature, wordsOf } from '../registry'
import { useAmendments } from './amendments'
import { loadRecentEmoji } from './emoji'
import MessageRow from './MessageRow.vue'
import { useReplying } from './replying'
import OutgoingMessage from './OutgoingMessage.vue'

const AHEAD_MS = 1_000
const bar = () => import('./MessageBar.vue')
const sheet = () => import('./MessageSheet.vue')

/** Messages, and what is done with them. Its rows are part of the entry chunk: every room needs them at once. */
export default defineFeature({
  name: 'messages',
  rows: { message: MessageRow },
  actions: { message: { bar, sheet } },
  outgoing: { 'message.send': OutgoingMessage },
  announce: (event) => (event.type === 'message' ? `${isolated(authorOf(event).name)}: ${isolated(wordsOf(event))}` : null),
  composerTop: { component: () => import('./ReplyStrip.vue'), when: (room) => useReplying().to(room) !== null },
  messageFields: (room) => useReplying().fields(room),
  emptyComposerKey: (event, room) => event.key === 'ArrowUp' && useAmendments().editLast(room),
  enabled: () => true,
  start(socket, me) {
    loadRecentEmoji(me)
    useAmendments().listen(socket)
    const stop = socket.on('joined', () => {
      stop()
      loadAhead()
    })
  },
})

/** Once the first room is there: without a connection one can edit and delete, too. */
function loadAhead(): void {
  setTimeout(() => void Promise.allSettled([bar(), sheet(), import('./EditMessage.vue')]), AHEAD_MS)
}
