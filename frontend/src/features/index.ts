import location from './location'
import messages from './messages'
import polls from './polls'
import quiz from './quiz'
import sensors from './sensors'
import typing from './typing'

export const features = [messages, polls, quiz, typing, location, sensors]
