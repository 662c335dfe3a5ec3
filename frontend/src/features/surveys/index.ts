import { ClipboardList } from '@lucide/vue'
import { t } from '../../i18n'
import { isolated } from '../../ui/text'
import { defineFeature } from '../registry'

/** Surveys: several questions, answers as bars. */
export default defineFeature({
  name: 'surveys',
  about: () => import('./about'),
  rows: { survey: () => import('./SurveyRow.vue') },
  outgoing: { 'survey.create': () => import('./WaitingSurvey.vue') },
  composer: [{ id: 'survey', label: 'surveys.new', icon: ClipboardList, dialog: () => import('./NewSurvey.vue') }],
  announce: (event) => {
    if (event.type === 'survey') return t('surveys.asks', { name: isolated(event.from.name), title: isolated(event.title) })
    return event.type === 'survey.closed' ? t('surveys.was_closed', { title: isolated(event.state.title) }) : null
  },
})
