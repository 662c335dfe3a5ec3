import type { About } from '../registry'

export default { title: 'files.about_title', text: 'files.about', begin: 'files.about_begin' } satisfies About
