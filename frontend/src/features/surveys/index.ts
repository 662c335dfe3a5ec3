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
  announce: ({ type, from, ...event }) => {
    const { title } = ((event as { state?: object }).state ?? event) as { title?: string }
    if ((type as string) === 'survey') return t('surveys.asks', { name: isolated(from.name), title: isolated(String(title)) })
    return (type as string) === 'survey.closed' ? t('surveys.was_closed', { title: isolated(String(title)) }) : null
  },
})
