/* One client connection: bytes in and out without blocking, plain or over TLS. */
#pragma once
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(BENCH_TLS)
#include <openssl/ssl.h>
static SSL_CTX *tls_context;
#endif

enum state { CLOSED, CONNECTING, SECURING, UPGRADING, SETTING_UP, READY };

struct connection {
  int fd, room, step, slow, wrong;
  enum state state;
  char *in, *out; /* what is incomplete, and what the kernel did not take */
  size_t in_length, in_size, out_length, out_size;
  uint64_t begun, deliveries, id_sum;
#if defined(BENCH_TLS)
  SSL *tls;
#endif
};

static inline int connection_open(struct connection *connection, const char *source, int port, int receive_buffer) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  struct sockaddr_in from = {.sin_family = AF_INET};
  int one = 1;
  inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  inet_pton(AF_INET, source, &from.sin_addr);
  connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (connection->fd < 0) return -1;
  setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(connection->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  if (receive_buffer) setsockopt(connection->fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  if (bind(connection->fd, (struct sockaddr *)&from, sizeof from) < 0) return -1;
  connection->state = CONNECTING;
  if (connect(connection->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) return -1;
  return 0;
}

/* Bytes read; 0 at the end, -1 with errno, EAGAIN when there is nothing now. */
static inline ssize_t connection_read(struct connection *connection, char *buffer, size_t size) {
#if defined(BENCH_TLS)
  if (connection->tls) {
    int got = SSL_read(connection->tls, buffer, (int)size);
    if (got > 0) return got;
    int error = SSL_get_error(connection->tls, got);
    if (error == SSL_ERROR_ZERO_RETURN) return 0;
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EIO;
    return -1;
  }
#endif
  return recv(connection->fd, buffer, size, 0);
}

static inline ssize_t connection_put(struct connection *connection, const char *data, size_t length) {
#if defined(BENCH_TLS)
  if (connection->tls) {
    int put = SSL_write(connection->tls, data, (int)length);
    if (put > 0) return put;
    int error = SSL_get_error(connection->tls, put);
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EIO;
    return -1;
  }
#endif
  return send(connection->fd, data, length, MSG_NOSIGNAL);
}

static inline void keep(char **buffer, size_t *length, size_t *size, const char *data, size_t more) {
  if (*length + more > *size) {
    *size = (*length + more) * 2;
    *buffer = realloc(*buffer, *size);
    if (!*buffer) abort();
  }
  memcpy(*buffer + *length, data, more);
  *length += more;
}

/* Sends what was kept; -1 when the connection is lost. */
static inline int connection_flush(struct connection *connection) {
  while (connection->out_length) {
    ssize_t put = connection_put(connection, connection->out, connection->out_length);
    if (put < 0) return errno == EAGAIN ? 0 : -1;
    connection->out_length -= (size_t)put;
    memmove(connection->out, connection->out + put, connection->out_length);
  }
  return 0;
}

static inline int connection_write(struct connection *connection, const char *data, size_t length) {
  keep(&connection->out, &connection->out_length, &connection->out_size, data, length);
  return connection_flush(connection);
}

/* 1 when the TLS handshake is done (or there is none), 0 while it goes on, -1 when it failed. */
static inline int connection_secure(struct connection *connection) {
#if defined(BENCH_TLS)
  if (tls_context) {
    if (!connection->tls) {
      connection->tls = SSL_new(tls_context);
      SSL_set_fd(connection->tls, connection->fd);
      SSL_set_connect_state(connection->tls);
      SSL_set_mode(connection->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    }
    int done = SSL_do_handshake(connection->tls);
    if (done == 1) return 1;
    int error = SSL_get_error(connection->tls, done);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
  }
#endif
  return 1;
}

static inline void connection_close(struct connection *connection) {
#if defined(BENCH_TLS)
  if (connection->tls) SSL_free(connection->tls);
  connection->tls = NULL;
#endif
  if (connection->fd >= 0) close(connection->fd);
  connection->fd = -1;
  connection->state = CLOSED;
  connection->in_length = connection->out_length = 0;
  connection->step = 0;
}
