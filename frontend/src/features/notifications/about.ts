import type { About } from '../registry'

export default {
  title: 'notifications.title',
  text: 'notifications.about',
  begin: 'notifications.about_begin',
} satisfies About
