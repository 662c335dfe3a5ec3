import location from './location'
import mentions from './mentions'
import messages from './messages'
import polls from './polls'
import quiz from './quiz'
import search from './search'
import sensors from './sensors'
import typing from './typing'

export const features = [location, mentions, messages, polls, quiz, search, sensors, typing]
