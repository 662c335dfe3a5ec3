import { ChartLine } from '@lucide/vue'
import { defineFeature } from '../registry'

/** Live charts of a room's sensors. */
export default defineFeature({
  name: 'sensors',
  about: () => import('./about'),
  panels: [{ id: 'sensors', title: 'sensors.title', icon: ChartLine, component: () => import('./SensorsPanel.vue') }],
  live: { sensor: () => undefined },
})
