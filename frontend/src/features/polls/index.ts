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
  announce: (event) => {
    if (event.type === 'poll') return t('polls.asks', { name: isolated(event.from.name), question: isolated(event.question) })
    return event.type === 'poll.closed' ? t('polls.was_closed', { question: isolated(event.state.question) }) : null
  },
})
