import { AtSign } from '@lucide/vue'
import { useRooms } from '../../stores/rooms'
import { defineFeature } from '../registry'

/** Names in messages: completion while one types them, and the way to the next unread message that names me. */
export default defineFeature({
  name: 'mentions',
  about: () => import('./about'),
  composerTop: { component: () => import('./NameCompletion.vue') },
  pages: [
    {
      id: 'mentions',
      label: 'mentions.next',
      icon: AtSign,
      keys: 'mentions.keys',
      opens: (event) => (event.ctrlKey || event.metaKey) && event.shiftKey && event.key.toLowerCase() === 'm',
      when: () => useRooms().totalMentions > 0,
      dialog: () => import('./NextMention.vue'),
    },
  ],
})
