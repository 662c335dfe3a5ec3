import { ChessKnight } from '@lucide/vue'
import { t } from '../../i18n'
import { isolated } from '../../ui/text'
import { defineFeature } from '../registry'

/** Chess between two; the room watches. The server knows the rules, the page shows what it says. */
export default defineFeature({
  name: 'chess',
  rows: { chess: () => import('./ChessRow.vue') },
  outgoing: { 'chess.offer': () => import('./WaitingGame.vue') },
  composer: [{ id: 'chess', label: 'chess.new', icon: ChessKnight, dialog: () => import('./NewGame.vue') }],
  announce: (event) => {
    const { type, from, state } = event as unknown as { type: string; from: { name: string }; state?: { san: string[]; result: string } }
    if (type === 'chess') return t('chess.offers', { name: isolated(from.name) })
    if (type === 'chess.moved' && state) return t('chess.moved', { name: isolated(from.name), move: state.san.at(-1)! })
    return type === 'chess.ended' && state ? t('chess.over', { result: state.result }) : null
  },
})
