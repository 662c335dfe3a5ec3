/* The load of one timed run: connects, sends, counts every delivery, prints one JSON line for each phase.
 *
 * It reads frame headers and looks for its own mark in the text; nothing is decoded, so one core counts millions a second.
 * A message is `bench:RUN:ID:NANOSECONDS:xxx…` (RUN 4, ID 8, time 16 hexadecimal digits); its time is when it was due, so
 * that a server that falls behind cannot hide its latency by slowing the sender down.
 *
 *   connect → {"phase":"ready"} → a line on stdin → warm-up → {"phase":"measure"} → {"phase":"measured",…}
 *           → what is under way arrives, or is lost → {"phase":"done",…}
 *
 * Options, each NAME VALUE:
 *   port, tls (0/1), connections, rooms, requests FILE (lines "PATH<tab>HEADER<tab>HEADER…", used in turn; {room} is replaced),
 *   room FORMAT (with %d), expect TEXT / send TEXT (the steps to readiness, in order), message TEMPLATE ({room}, {text}, {key}),
 *   mode closed|senders|open|idle|handshakes, window (messages under way in a room), rate (messages a second, open),
 *   text (bytes), warmup, seconds, drain (seconds), concurrency (handshakes at a time), slow (readers that do not read)
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>

#include "connection.h"
#include "histogram.h"
#include "websocket.h"

enum { MAX_MESSAGES = 1 << 22, MAX_STEPS = 8, BUFFER = 4 << 20, MAX_REQUESTS = 1 << 17 };
enum mode { CLOSED_LOOP, SENDERS, OPEN_LOOP, IDLE, HANDSHAKES };
#define SECOND 1000000000ull

struct message {
  uint64_t due;
  uint32_t remaining, room;
  int sender;
};
struct room {
  int *members, count, next;
  uint64_t refused;
  uint64_t id_sum, sent;
};
struct step {
  int sends;
  const char *text;
};

static int port, wanted, rooms_wanted = 1, window_size = 1, concurrency = 64, slow, text_length = 200, use_tls;
static double rate, warmup = 1, seconds = 5, drain = 5;
static enum mode mode = CLOSED_LOOP;
static const char *room_format = "bench-%d", *template = "{text}";
static struct step steps[MAX_STEPS];
static int step_count, request_count, epoll_fd, timer_fd, input_open = 1;
static char *requests[MAX_REQUESTS];
static struct connection *connections;
static struct room *rooms;
static struct message *messages;
static uint32_t next_id = 1;
static unsigned run;
static char *buffer;
static int opened, ready, opening, handshaken, failed, closed_early, stopped;
static uint64_t now, sent, delivered, doubled, measured_deliveries, measured_sent, completed, measured_handshakes, frames, bytes_in;
static int measuring, sending, overloaded;
static struct histogram latencies, handshake_latencies, completion_latencies;
static uint64_t open_start, open_sent;

static uint64_t clock_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

static void die(const char *what, const char *detail) {
  fprintf(stderr, "generator: %s%s%s\n", what, *detail ? ": " : "", detail);
  exit(2);
}

static double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Replaces {room}, {text} and {key} of `from`; returns the length. */
static size_t fill(char *out, size_t size, const char *from, int room, const char *text, uint32_t id) {
  size_t at = 0;
  while (*from && at + 64 < size) {
    if (!strncmp(from, "{room}", 6)) {
      at += (size_t)snprintf(out + at, size - at, room_format, room);
      from += 6;
    } else if (!strncmp(from, "{text}", 6)) {
      at += (size_t)snprintf(out + at, size - at, "%s", text);
      from += 6;
    } else if (!strncmp(from, "{key}", 5)) {
      at += (size_t)snprintf(out + at, size - at, "%04x-%08x", run, id);
      from += 5;
    } else {
      out[at++] = *from++;
    }
  }
  out[at] = 0;
  return at;
}

static void watch(int index, int writable) {
  struct connection *connection = &connections[index];
  struct epoll_event event = {.events = EPOLLIN | (writable ? EPOLLOUT : 0u), .data.u32 = (uint32_t)index};
  if (connection->slow && connection->state == READY) event.events = EPOLLRDHUP;
  epoll_ctl(epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
}

static void lost(int index) {
  struct connection *connection = &connections[index];
  if (connection->state == READY) {
    closed_early++;
  } else if (connection->state != CLOSED) {
    opening--;
    failed++;
    if (failed < 4) fprintf(stderr, "generator: connection %d failed in state %d step %d (%s)\n", index, connection->state, connection->step, strerror(errno));
  }
  connection_close(connection);
}

static void send_frame(int index, int opcode, const char *payload, size_t length) {
  static char frame[70000];
  struct connection *connection = &connections[index];
  if (connection_write(connection, frame, ws_write(frame, opcode, payload, length)) < 0)
    lost(index);
  else if (connection->out_length)
    watch(index, 1);
}

static void open_connection(int index) {
  struct connection *connection = &connections[index];
  char source[32];
  snprintf(source, sizeof source, "127.0.0.%d", 1 + index % 4);
  connection->begun = clock_ns();
  opening++;
  if (connection_open(connection, source, port, connection->slow ? 4096 : 0) < 0) {
    lost(index);
    return;
  }
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.u32 = (uint32_t)index};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event);
}

static void request_upgrade(int index) {
  static char line[8192], request[9000];
  struct connection *connection = &connections[index];
  static int turn;
  const char *from = requests[(mode == HANDSHAKES ? turn++ : index) % request_count];
  fill(line, sizeof line, from, connection->room, "", 0);
  char *header = strtok(line, "\t");
  int length = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
                        header, port);
  while ((header = strtok(NULL, "\t"))) length += snprintf(request + length, sizeof request - (size_t)length, "%s\r\n", header);
  length += snprintf(request + length, sizeof request - (size_t)length, "\r\n");
  connection->state = UPGRADING;
  if (connection_write(connection, request, (size_t)length) < 0) lost(index);
}

static void is_ready(int index) {
  struct connection *connection = &connections[index];
  opening--;
  if (mode == HANDSHAKES) {
    handshaken++;
    if (measuring) {
      measured_handshakes++;
      histogram_add(&handshake_latencies, clock_ns() - connection->begun);
    }
    send_frame(index, WS_CLOSE, "\x03\xe8", 2);
    connection_close(connection);
    if (!stopped) open_connection(index);
    return;
  }
  connection->state = READY;
  ready++;
  if (connection->slow) watch(index, 0);
}

/* Goes on with the steps to readiness, as far as they do not wait for the server. */
static void take_steps(int index) {
  struct connection *connection = &connections[index];
  static char text[4096];
  while (connection->step < step_count && steps[connection->step].sends) {
    size_t length = fill(text, sizeof text, steps[connection->step++].text, connection->room, "", 0);
    send_frame(index, WS_TEXT, text, length);
    if (connection->state == CLOSED) return;
  }
  if (connection->step == step_count) is_ready(index);
}

static void send_message(int room_index, int sender, uint64_t due) {
  static char text[4096], payload[6000];
  struct room *room = &rooms[room_index];
  if (next_id == MAX_MESSAGES) die("too many messages for one run", "");
  uint32_t id = next_id++;
  messages[id] = (struct message){.due = due, .remaining = (uint32_t)room->count, .room = (uint32_t)room_index, .sender = sender};
  int at = snprintf(text, sizeof text, "bench:%04x:%08x:%016llx:", run, id, (unsigned long long)due);
  while (at < text_length) text[at++] = 'x';
  text[at] = 0;
  size_t length = fill(payload, sizeof payload, template, connections[sender].room, text, id);
  sent++;
  room->sent++;
  room->id_sum += id;
  if (measuring) measured_sent++;
  send_frame(sender, WS_TEXT, payload, length);
}

static int next_member(struct room *room) {
  for (int tries = 0; tries < room->count; tries++) {
    int index = room->members[room->next++ % room->count];
    if (connections[index].state == READY) return index;
  }
  return -1;
}

static void complete(struct message *message) {
  completed++;
  if (measuring) histogram_add(&completion_latencies, now - message->due);
  if (!sending) return;
  int sender = message->sender;
  if (mode == CLOSED_LOOP) sender = next_member(&rooms[message->room]);
  if ((mode == CLOSED_LOOP || mode == SENDERS) && sender >= 0 && connections[sender].state == READY)
    send_message((int)message->room, sender, now);
}

static uint64_t hexadecimal(const char *text, int digits) {
  uint64_t value = 0;
  for (int i = 0; i < digits; i++) value = value << 4 | (uint64_t)((text[i] & 0xf) + (text[i] > '9' ? 9 : 0));
  return value;
}

static void delivery(struct connection *connection, const char *mark, size_t length) {
  if (length < 36 || hexadecimal(mark + 6, 4) != run) return;
  uint64_t id = hexadecimal(mark + 11, 8), due = hexadecimal(mark + 20, 16);
  if (id == 0 || id >= next_id) return;
  struct message *message = &messages[id];
  connection->deliveries++;
  connection->id_sum += id;
  delivered++;
  if (measuring) {
    measured_deliveries++;
    histogram_add(&latencies, now > due ? now - due : 0);
  }
  if (message->remaining == 0)
    doubled++;
  else if (--message->remaining == 0)
    complete(message);
}

/* The product's answer to a message it did not take, for too many wait: its sender knows, and nothing is lost. */
#define REFUSAL "\"code\":\"unavailable\""

static void frame_arrived(int index, const struct ws_frame *frame) {
  struct connection *connection = &connections[index];
  frames++;
  if (frame->opcode == WS_PING) {
    send_frame(index, WS_PONG, frame->payload, frame->length);
  } else if (frame->opcode == WS_CLOSE) {
    if (closed_early + failed < 3) fprintf(stderr, "generator: closed with %d %.*s\n", frame->length > 1 ? (uint8_t)frame->payload[0] << 8 | (uint8_t)frame->payload[1] : 0, (int)frame->length - 2, frame->payload + 2);
    lost(index);
  } else if (connection->state == READY) {
    const char *mark = memmem(frame->payload, frame->length, "bench:", 6);
    if (mark)
      delivery(connection, mark, frame->length - (size_t)(mark - frame->payload));
    else if (memmem(frame->payload, frame->length, REFUSAL, sizeof REFUSAL - 1))
      rooms[connection->room].refused++;
  } else if (connection->state == SETTING_UP) {
    static char text[4096];
    size_t length = fill(text, sizeof text, steps[connection->step].text, connection->room, "", 0);
    if (memmem(frame->payload, frame->length, text, length)) {
      connection->step++;
      take_steps(index);
    }
  }
}

/* Takes what can be taken of `data`; returns the bytes used. */
static size_t consume(int index, char *data, size_t length) {
  struct connection *connection = &connections[index];
  size_t used = 0;
  if (connection->state == UPGRADING) {
    char *end = memmem(data, length, "\r\n\r\n", 4);
    if (!end) return 0;
    if (length < 12 || memcmp(data + 9, "101", 3)) {
      if (!failed) fprintf(stderr, "generator: answer was %.60s\n", data);
      lost(index);
      return length;
    }
    used = (size_t)(end - data) + 4;
    connection->state = SETTING_UP;
    take_steps(index);
  }
  struct ws_frame frame;
  size_t took;
  while (connection->state >= SETTING_UP && (took = ws_parse(data + used, length - used, &frame))) {
    used += took;
    frame_arrived(index, &frame);
  }
  return connection->state == CLOSED || connection->state == CONNECTING ? length : used;
}

static void readable(int index) {
  struct connection *connection = &connections[index];
  for (int turns = 0; turns < 8 && connection->state >= UPGRADING; turns++) {
    size_t have = connection->in_length;
    if (have) memcpy(buffer, connection->in, have);
    ssize_t got = connection_read(connection, buffer + have, BUFFER - have);
    if (got <= 0) {
      if (got == 0 || errno != EAGAIN) lost(index);
      return;
    }
    now = clock_ns();
    bytes_in += (uint64_t)got;
    have += (size_t)got;
    size_t used = consume(index, buffer, have);
    if (connection->state < UPGRADING) return;
    connection->in_length = 0;
    if (used < have) keep(&connection->in, &connection->in_length, &connection->in_size, buffer + used, have - used);
    if (!use_tls && have < 65536) return;
  }
}

static void happened(int index, uint32_t events) {
  struct connection *connection = &connections[index];
  if (connection->state == CONNECTING) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
      errno = error;
      lost(index);
      return;
    }
    connection->state = SECURING;
  }
  if (connection->state == SECURING) {
    int done = connection_secure(connection);
    if (done < 0) lost(index);
    if (done <= 0) return;
    request_upgrade(index);
    if (connection->state != CLOSED) watch(index, 0);
    return;
  }
  if (events & EPOLLOUT && connection->state >= UPGRADING) {
    if (connection_flush(connection) < 0) {
      lost(index);
      return;
    }
    if (!connection->out_length) watch(index, 0);
  }
  if (connection->state == READY && connection->slow) {
    if (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) connection_close(connection); /* it was too slow, as it should be */
    return;
  }
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(index);
}

static void send_due(void) {
  if (mode != OPEN_LOOP || !sending) return;
  now = clock_ns();
  uint64_t due_count = (uint64_t)((double)(now - open_start) / (double)SECOND * rate) + 1; /* the first is due at once */
  if (next_id - 1 - completed > (uint64_t)(3 * rate) + 20) { /* three seconds behind: it will not catch up */
    overloaded = 1;
    sending = 0;
    return;
  }
  for (; open_sent < due_count; open_sent++) {
    int room = (int)(open_sent % (uint64_t)rooms_wanted);
    int sender = next_member(&rooms[room]);
    if (sender >= 0) send_message(room, sender, open_start + (uint64_t)((double)open_sent / rate * (double)SECOND));
  }
}

/* One turn of the loop, at most `milliseconds` long. */
static void turn(int milliseconds) {
  struct epoll_event events[512];
  int count = epoll_wait(epoll_fd, events, 512, milliseconds);
  for (int i = 0; i < count; i++) {
    if (events[i].data.u32 == UINT32_MAX) {
      uint64_t times;
      if (read(timer_fd, &times, sizeof times) > 0) send_due();
    } else if (events[i].data.u32 == UINT32_MAX - 1) {
      char line[64];
      input_open = 0;
      if (read(0, line, sizeof line) <= 0) exit(0);
    } else {
      happened((int)events[i].data.u32, events[i].events);
    }
  }
}

static void run_for(double length) {
  uint64_t end = clock_ns() + (uint64_t)(length * 1e9);
  while ((now = clock_ns()) < end && !overloaded) turn(20);
}

static void wait_for_line(void) {
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = UINT32_MAX - 1};
  input_open = 1;
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, 0, &event);
  while (input_open) turn(100);
  epoll_ctl(epoll_fd, EPOLL_CTL_DEL, 0, NULL);
}

/* Returns how many seconds it took. */
static double connect_all(void) {
  uint64_t begun = clock_ns(), deadline = begun + 120 * SECOND;
  while (ready + failed + closed_early < wanted) {
    while (opening < concurrency && opened < wanted) open_connection(opened++);
    turn(20);
    if (clock_ns() > deadline) die("not all connections became ready within 120 s", "");
  }
  return (double)(clock_ns() - begun) / 1e9;
}

static void start_sending(void) {
  sending = 1;
  for (int i = 0; i < wanted; i++) {
    struct room *room = &rooms[connections[i].room];
    if (!connections[i].slow && connections[i].state == READY) room->members[room->count++] = i;
  }
  now = open_start = clock_ns();
  if (mode == OPEN_LOOP) {
    struct timespec span = {.tv_sec = 0, .tv_nsec = 200000}; /* at most that late is a message sent */
    struct itimerspec timer = {.it_interval = span, .it_value = span};
    timerfd_settime(timer_fd, 0, &timer, NULL);
  }
  if (mode == SENDERS)
    for (int i = 0; i < wanted; i++)
      if (connections[i].state == READY && !connections[i].slow) send_message(connections[i].room, i, clock_ns());
  if (mode == CLOSED_LOOP)
    for (int turns = 0; turns < window_size; turns++)
      for (int i = 0; i < rooms_wanted; i++) {
        int sender = next_member(&rooms[i]);
        if (sender >= 0) send_message(i, sender, clock_ns());
      }
}

static void let_arrive(void) {
  uint64_t last = delivered, since = clock_ns(), give_up = since + (uint64_t)(drain * 1e9);
  sending = 0;
  while (completed < sent && clock_ns() < give_up) {
    turn(20);
    if (delivered != last) {
      last = delivered;
      give_up = clock_ns() + (uint64_t)(drain * 1e9);
    }
    if (clock_ns() - since > 30 * SECOND) break;
  }
  run_for(0.2); /* doubles come after the first copy */
}

static void print_quantiles(const char *name, const struct histogram *histogram) {
  printf(",\"%s\":{\"p50\":%.6f,\"p99\":%.6f,\"p999\":%.6f}", name, (double)histogram_quantile(histogram, 0.5) / 1e6,
         (double)histogram_quantile(histogram, 0.99) / 1e6, (double)histogram_quantile(histogram, 0.999) / 1e6);
}

static void print_measured(double length, double cpu, uint64_t bytes) {
  printf("{\"phase\":\"measured\",\"seconds\":%.6f,\"cpu_seconds\":%.6f,\"deliveries\":%llu,\"messages\":%llu,\"handshakes\":%llu,"
         "\"bytes_in\":%llu,\"overloaded\":%s",
         length, cpu, (unsigned long long)measured_deliveries, (unsigned long long)measured_sent,
         (unsigned long long)measured_handshakes, (unsigned long long)bytes, overloaded ? "true" : "false");
  print_quantiles("latency_ms", &latencies);
  print_quantiles("handshake_ms", &handshake_latencies);
  print_quantiles("completion_ms", &completion_latencies);
  printf("}\n");
  fflush(stdout);
}

static void print_done(void) {
  uint64_t missing = 0, refused = 0;
  int wrong = 0;
  for (uint32_t id = 1; id < next_id; id++) missing += messages[id].remaining;
  /* Which of a room's messages were refused is not said, so that its sums say nothing. */
  for (int i = 0; i < rooms_wanted; i++) {
    uint64_t spared = rooms[i].refused * (uint64_t)rooms[i].count;
    missing -= spared < missing ? spared : missing;
    refused += rooms[i].refused;
  }
  for (int i = 0; i < wanted; i++) {
    struct room *room = &rooms[connections[i].room];
    if (!connections[i].slow && !room->refused && (connections[i].deliveries != room->sent || connections[i].id_sum != room->id_sum)) wrong++;
  }
  printf("{\"phase\":\"done\",\"sent\":%llu,\"delivered\":%llu,\"lost\":%llu,\"refused\":%llu,\"doubled\":%llu,\"wrong_connections\":%d,"
         "\"closed_early\":%d,\"failed\":%d,\"all_handshakes\":%d}\n",
         (unsigned long long)sent, (unsigned long long)delivered, (unsigned long long)missing, (unsigned long long)refused, (unsigned long long)doubled,
         mode == HANDSHAKES ? 0 : wrong, closed_early, failed, handshaken);
  fflush(stdout);
}

static void read_requests(const char *path) {
  FILE *file = fopen(path, "r");
  static char line[8192];
  if (!file) die("cannot read", path);
  while (request_count < MAX_REQUESTS && fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    requests[request_count++] = strdup(line);
  }
  fclose(file);
  if (!request_count) die("no requests in", path);
}

static enum mode mode_named(const char *name) {
  static const char *names[] = {"closed", "senders", "open", "idle", "handshakes"};
  for (int i = 0; i < 5; i++)
    if (!strcmp(name, names[i])) return (enum mode)i;
  die("unknown mode", name);
  return IDLE;
}

static void set_option(const char *name, const char *value) {
  if (!strcmp(name, "port")) port = atoi(value);
  else if (!strcmp(name, "tls")) use_tls = atoi(value);
  else if (!strcmp(name, "connections")) wanted = atoi(value);
  else if (!strcmp(name, "rooms")) rooms_wanted = atoi(value);
  else if (!strcmp(name, "requests")) read_requests(value);
  else if (!strcmp(name, "room")) room_format = value;
  else if ((!strcmp(name, "expect") || !strcmp(name, "send")) && step_count < MAX_STEPS) steps[step_count++] = (struct step){*name == 's', value};
  else if (!strcmp(name, "message")) template = value;
  else if (!strcmp(name, "mode")) mode = mode_named(value);
  else if (!strcmp(name, "window")) window_size = atoi(value);
  else if (!strcmp(name, "rate")) rate = atof(value);
  else if (!strcmp(name, "text")) text_length = atoi(value);
  else if (!strcmp(name, "warmup")) warmup = atof(value);
  else if (!strcmp(name, "seconds")) seconds = atof(value);
  else if (!strcmp(name, "drain")) drain = atof(value);
  else if (!strcmp(name, "concurrency")) concurrency = atoi(value);
  else if (!strcmp(name, "slow")) slow = atoi(value);
  else die("unknown option", name);
}

static void prepare(void) {
  if (!port || wanted < 1 || !request_count || rooms_wanted < 1) die("port, connections, rooms and requests are needed", "");
  if (mode == OPEN_LOOP && rate <= 0) die("mode open needs a rate", "");
  if (text_length < 40 || text_length > 4000) die("text must be 40 to 4000 bytes", "");
#if defined(BENCH_TLS)
  if (use_tls) tls_context = SSL_CTX_new(TLS_client_method());
#else
  if (use_tls) die("built without TLS", "");
#endif
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  connections = calloc((size_t)wanted, sizeof *connections);
  rooms = calloc((size_t)rooms_wanted, sizeof *rooms);
  messages = calloc(MAX_MESSAGES, sizeof *messages);
  buffer = malloc(BUFFER);
  if (!connections || !rooms || !messages || !buffer) die("out of memory", "");
  for (int i = 0; i < rooms_wanted; i++) rooms[i].members = calloc((size_t)wanted / (size_t)rooms_wanted + 1, sizeof(int));
  for (int i = 0; i < wanted; i++) connections[i] = (struct connection){.fd = -1, .room = i % rooms_wanted, .slow = i >= wanted - slow};
  run = (unsigned)(clock_ns() / 1000 % 0xffff);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = UINT32_MAX};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &event);
}

int main(int count, char **arguments) {
  for (int i = 1; i + 1 < count; i += 2) set_option(arguments[i], arguments[i + 1]);
  prepare();
  double arrival_s = 0;
  if (mode == HANDSHAKES) {
    if (wanted > concurrency) wanted = concurrency;
    for (; opened < wanted;) open_connection(opened++);
  } else {
    arrival_s = connect_all();
  }
  printf("{\"phase\":\"ready\",\"ready\":%d,\"arrival_s\":%.6f,\"failed\":%d}\n", ready, arrival_s, failed);
  fflush(stdout);
  wait_for_line();
  if (mode != IDLE && mode != HANDSHAKES) start_sending();
  run_for(warmup);
  printf("{\"phase\":\"measure\"}\n");
  fflush(stdout);
  uint64_t begun = clock_ns(), bytes_before = bytes_in;
  double cpu = cpu_seconds();
  measuring = 1;
  run_for(seconds);
  measuring = 0;
  print_measured((double)(clock_ns() - begun) / 1e9, cpu_seconds() - cpu, bytes_in - bytes_before);
  stopped = 1;
  if (mode != IDLE && mode != HANDSHAKES) let_arrive();
  print_done();
  return 0;
}
