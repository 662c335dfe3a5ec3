import type { About } from '../registry'
import dark from './picture-dark.webp'
import light from './picture-light.webp'

export default {
  title: 'notifications.title',
  text: 'notifications.about',
  begin: 'notifications.about_begin',
  light,
  dark,
} satisfies About
