import { ref } from 'vue'

/** Which kinds of conversation the jump dialog offers; null while it is closed. */
export const jump = ref<'all' | 'people' | null>(null)

/** The id of a feature's dialog of the whole page (`pages`). */
export const featureDialog = ref<string | null>(null)

/** A dialog of the whole page, beside the jump dialog. */
export const pageDialog = ref<'rooms' | 'blocked' | null>(null)
