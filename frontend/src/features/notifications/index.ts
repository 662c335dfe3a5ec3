import { Bell } from '@lucide/vue'
import { defineFeature } from '../registry'

/** Being told of direct messages, mentions and whole rooms: by the browser, by a sound, by Web Push and by mail. */
export default defineFeature({
  name: 'notifications',
  about: () => import('./about'),
  always: () => import('./NotificationAgent.vue'),
  header: { component: () => import('./LevelMenu.vue') },
  pages: [{ id: 'notifications', label: 'notifications.open', icon: Bell, place: 'account', dialog: () => import('./NotificationsDialog.vue') }],
  signOut: async () => (await import('./leaving')).leave(),
})
