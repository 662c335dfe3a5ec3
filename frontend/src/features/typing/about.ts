import type { About } from '../registry'
import dark from './picture-dark.webp'
import light from './picture-light.webp'

export default {
  title: 'typing.about_title',
  text: 'typing.about',
  begin: 'typing.about_begin',
  light,
  dark,
} satisfies About
