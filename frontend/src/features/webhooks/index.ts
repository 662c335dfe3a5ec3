import { Webhook } from '@lucide/vue'
import { useRooms } from '../../stores/rooms'
import { defineFeature } from '../registry'

/** Programs that write into rooms. */
export default defineFeature({
  name: 'webhooks',
  about: () => import('./about'),
  panels: [
    {
      id: 'webhooks',
      title: 'webhooks.title',
      icon: Webhook,
      component: () => import('./WebhooksPanel.vue'),
      when: (slug) => {
        const room = useRooms().get(slug)
        return room?.role === 'owner' && room.kind !== 'direct'
      },
    },
  ],
})
