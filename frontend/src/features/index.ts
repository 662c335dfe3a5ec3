import messages from './messages'
import polls from './polls'
import typing from './typing'

export const features = [messages, polls, typing]
