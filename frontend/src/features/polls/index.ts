import { ListChecks } from '@lucide/vue'
import { t } from '../../i18n'
import { isolated } from '../../ui/text'
import { defineFeature } from '../registry'

/** Polls: one question, votes as live bars. */
export default defineFeature({
  name: 'polls',
  about: () => import('./about'),
  rows: { poll: () => import('./PollRow.vue') },
  outgoing: { 'poll.create': () => import('./WaitingPoll.vue') },
  composer: [{ id: 'poll', label: 'polls.new', icon: ListChecks, dialog: () => import('./NewPoll.vue') }],
  panels: [{ id: 'polls', title: 'polls.open', icon: ListChecks, component: () => import('./PollsPanel.vue') }],
  announce: ({ type, from, ...event }) => {
    if ((type as string) === 'poll') return t('polls.asks', { name: isolated(from.name), question: isolated(String((event as { question?: string }).question)) })
    if ((type as string) !== 'poll.closed') return null
    const { state } = event as { state?: { question?: string } }
    return t('polls.was_closed', { question: isolated(String(state?.question)) })
  },
})
