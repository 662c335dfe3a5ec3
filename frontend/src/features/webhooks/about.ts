import type { About } from '../registry'
import dark from './picture-dark.webp'
import light from './picture-light.webp'

export default {
  title: 'webhooks.about_title',
  text: 'webhooks.about',
  begin: 'webhooks.about_begin',
  light,
  dark,
} satisfies About
