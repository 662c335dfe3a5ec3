import { Map, MapPin } from '@lucide/vue'
import { t } from '../../i18n'
import type { FeatureEvent } from '../../protocol'
import { isolated } from '../../ui/text'
import { defineFeature } from '../registry'
import { kept, running } from './running'

const load = () => import('./sharing')

/** Places that people share, on a map. */
export default defineFeature({
  name: 'location',
  about: () => import('./about'),
  rows: { location: () => import('./LocationRow.vue') },
  composer: [{ id: 'location', label: 'location.share', icon: MapPin, dialog: () => import('./ShareDialog.vue') }],
  panels: [{ id: 'location', title: 'location.map', icon: Map, component: () => import('./MapPanel.vue') }],
  footer: { component: () => import('./SharingBar.vue'), when: (room) => running.has(room) },
  live: { location: () => undefined },
  announce: (event) => (event.type === 'location' ? t('location.announced', { name: isolated(event.from.name) }) : null),
  start(socket) {
    if (kept()) void load().then(({ resume }) => resume())
    socket.on('events', ({ room, events }) => {
      const ended = events.filter(({ type }) => (type as string) === 'location.ended') as FeatureEvent[]
      if (ended.length) void load().then(({ hear }) => hear(room, ended))
    })
  },
  signOut: async () => (running.size || kept()) && (await load()).stopAll(),
})
