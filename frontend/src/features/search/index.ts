import { TextSearch } from '@lucide/vue'
import { defineFeature } from '../registry'

/** Search in the messages of my rooms, as one types. */
export default defineFeature({
  name: 'search',
  about: () => import('./about'),
  pages: [
    {
      id: 'search',
      label: 'search.title',
      icon: TextSearch,
      keys: 'search.keys',
      opens: (event) => (event.ctrlKey || event.metaKey) && event.shiftKey && event.key.toLowerCase() === 'f',
      dialog: () => import('./SearchDialog.vue'),
    },
  ],
})
