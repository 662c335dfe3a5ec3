import location from './location'
import mentions from './mentions'
import chess from './chess'
import messages from './messages'
import notes from './notes'
import polls from './polls'
import quiz from './quiz'
import search from './search'
import sensors from './sensors'
import typing from './typing'

export const features = [messages, polls, quiz, typing, location, sensors, mentions, search, notes, chess]
