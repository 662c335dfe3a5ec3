import messages from './messages'
import typing from './typing'

export const features = [messages, typing]
