import type { About } from '../registry'

export default {
  title: 'stream.about_title',
  text: 'stream.about',
  begin: 'stream.about_begin',
} satisfies About
