import type { About } from '../registry'
import dark from './picture-dark.webp'
import light from './picture-light.webp'

export default {
  title: 'sensors.about_title',
  text: 'sensors.about',
  begin: 'sensors.about_begin',
  light,
  dark,
} satisfies About
