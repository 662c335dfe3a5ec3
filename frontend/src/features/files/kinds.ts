import { FileArchive, FileAudio, FileCode, FileImage, FileSpreadsheet, FileText, FileType, FileVideo } from '@lucide/vue'
import type { Component } from 'vue'
import type { MessageFile } from '../../protocol'

type Shape = Pick<MessageFile, 'type' | 'name'>

const BY_ENDING: [RegExp, Component][] = [
  [/\.(zip|tar|t?gz|7z|rar|bz2|xz|zst)$/i, FileArchive],
  [/\.(xlsx?|ods|csv|tsv)$/i, FileSpreadsheet],
  [/\.(js|ts|py|rs|go|c|h|cpp|java|json|ya?ml|html?|css|sh|sql|vue)$/i, FileCode],
  [/\.(docx?|odt|pdf|txt|md|rtf|log)$/i, FileText],
]

/** Pictures that every browser shows, as the server has measured them. */
export function isPicture({ type, width, height }: MessageFile): boolean {
  return type.startsWith('image/') && type !== 'image/svg+xml' && Boolean(width && height)
}

export function isVideo({ type }: Shape): boolean {
  return type.startsWith('video/')
}

export function isAudio({ type }: Shape): boolean {
  return type.startsWith('audio/')
}

export function iconOf(file: Shape): Component {
  if (file.type.startsWith('image/')) return FileImage
  if (isVideo(file)) return FileVideo
  if (isAudio(file)) return FileAudio
  return BY_ENDING.find(([ending]) => ending.test(file.name))?.[1] ?? FileType
}
