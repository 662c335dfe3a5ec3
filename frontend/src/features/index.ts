import messages from './messages'
import polls from './polls'
import quiz from './quiz'
import typing from './typing'

export const features = [messages, polls, quiz, typing]
