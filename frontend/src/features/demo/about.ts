import type { About } from '../registry'

export default {
  title: 'demo.about_title',
  text: 'demo.about',
  begin: 'demo.about_begin',
} satisfies About
