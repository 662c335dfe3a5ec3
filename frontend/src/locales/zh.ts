import type { Catalogue } from '../i18n'
import shell from './zh.json'

const features = import.meta.glob<Catalogue>('../features/*/locales/zh.json', { eager: true, import: 'default' })
// The build has compiled them: see catalogues.ts.
export default Object.assign({}, shell, ...Object.values(features)) as Catalogue
