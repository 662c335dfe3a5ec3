import { ChessKnight } from '@lucide/vue'
import { defineFeature } from '../registry'
import { announced } from './announced'

/** Chess between two; the room watches. The server knows the rules, the page shows its state. */
export default defineFeature({
  name: 'chess',
  about: () => import('./about'),
  rows: { chess: () => import('./ChessRow.vue') },
  outgoing: { 'chess.offer': () => import('./WaitingGame.vue') },
  composer: [{ id: 'chess', label: 'chess.new', icon: ChessKnight, dialog: () => import('./NewGame.vue') }],
  announce: announced,
})
